"""A sealed record: a whole record of the registry's wire format, encrypted with a key of the member whose it is.

    1    magic byte 1 (the registry's own wire format begins with 0)
    1    version of this format, 1 or 2
    8    id of the key: one generation of the member's
    12   nonce
    n    AES-256-GCM of the record, its tag (16 bytes) behind it

Version 2 says that the key is the record's alone: it is destroyed as soon as the record was handled once.

The owner (the record's Kafka key) and the ten bytes before the nonce are authenticated with it: a record that is put
under another's name doesn't open.

A `member_erased` is never sealed, or a replay would miss it. It says which keys end with it: a byte 2, the version, how
many they are, their ids, then the record as it is. Whoever handles it knows what to destroy, however far ahead the
ingest is, and however often the event comes.

A nonce must never come twice under one key. It is random, 96 bits: with the 2^20 records that a busy member may have in
a lifetime, the odds of a repetition are 2^-57. Counters would have to survive every crash, and offsets of the source
come again in a topic that is made anew; a retried transaction that seals a record once more draws once more.
"""

import struct
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = 1
ENDING_MAGIC = 2
VERSION = 1
APART_VERSION = 2
APART = bytes((MAGIC, APART_VERSION))
"""How a record begins that has a key of its own."""
KEY_ID_BYTES = 8
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_HEAD = struct.Struct(f">BB{KEY_ID_BYTES}s")
HEAD_BYTES = _HEAD.size
ENDING_HEAD_BYTES = 3
ENDED_MAX = 255
OVERHEAD_BYTES = HEAD_BYTES + NONCE_BYTES + TAG_BYTES
DRAWN_BYTES = 4096  # at a time: one call of the system for many records

Draw = Callable[[int], bytes]
"""Gives so many random bytes: `os.urandom`, or a seeded one in the simulation of the pipeline."""


class CannotOpenError(Exception):
    """The bytes aren't what was sealed with this key for this owner."""


class Pool:
    """Random bytes, each given once; drawn many at a time."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._drawn = b""
        self._at = 0

    def __call__(self, count: int) -> bytes:
        """Return so many, at most `DRAWN_BYTES`."""
        if self._at + count > len(self._drawn):
            self._drawn, self._at = self._draw(DRAWN_BYTES), 0
        self._at += count
        return self._drawn[self._at - count : self._at]


def seal(cipher: AESGCM, key_id: bytes, nonce: bytes, owner: bytes, value: bytes, *, apart: bool = False) -> bytes:
    """Seal a record of an owner; `apart` with a key of its own."""
    head = _HEAD.pack(MAGIC, APART_VERSION if apart else VERSION, key_id)
    return head + nonce + cipher.encrypt(nonce, value, head + owner)


def is_sealed(value: bytes | None) -> bool:
    """Tell whether a value is a sealed record, of whatever version."""
    return value is not None and len(value) > 0 and value[0] == MAGIC


def with_ending(key_ids: Sequence[bytes], value: bytes) -> bytes:
    """Put before a record the ids of the keys that end with it."""
    assert len(key_ids) <= ENDED_MAX
    return bytes((ENDING_MAGIC, VERSION, len(key_ids))) + b"".join(key_ids) + value


def ended_keys(value: bytes | None) -> list[bytes]:
    """Return the ids of the keys that end with a record: none for others, and for what is cut off."""
    if value is None or len(value) < ENDING_HEAD_BYTES or value[0] != ENDING_MAGIC or value[1] != VERSION:
        return []
    end = ENDING_HEAD_BYTES + value[2] * KEY_ID_BYTES
    if len(value) < end:
        return []
    return [value[at : at + KEY_ID_BYTES] for at in range(ENDING_HEAD_BYTES, end, KEY_ID_BYTES)]


def without_ending(value: bytes) -> bytes:
    """Return the record without the ids of the keys that end with it."""
    ended = ended_keys(value)
    return value[ENDING_HEAD_BYTES + len(ended) * KEY_ID_BYTES :] if ended else value


def key_id_of(value: bytes) -> bytes:
    """Return the id of the key. Raises `CannotOpenError` for what is too short, or of a version not known here."""
    if len(value) < OVERHEAD_BYTES:
        raise CannotOpenError(f"a sealed record of {len(value)} bytes, at least {OVERHEAD_BYTES} were expected")
    if value[1] not in (VERSION, APART_VERSION):
        raise CannotOpenError(f"sealed by version {value[1]}, this release opens {VERSION} and {APART_VERSION}")
    return value[HEAD_BYTES - KEY_ID_BYTES : HEAD_BYTES]


def own_key(value: bytes | None) -> list[bytes]:
    """Return the id of the key that is the record's alone, if it has one."""
    if value is None or len(value) < OVERHEAD_BYTES or value[0] != MAGIC or value[1] != APART_VERSION:
        return []
    return [key_id_of(value)]


def unseal(cipher: AESGCM, owner: bytes, value: bytes) -> bytes:
    """Return the record. Raises `CannotOpenError` when it was sealed for another owner, or changed."""
    nonce = value[HEAD_BYTES : HEAD_BYTES + NONCE_BYTES]
    try:
        return cipher.decrypt(nonce, value[HEAD_BYTES + NONCE_BYTES :], value[:HEAD_BYTES] + owner)
    except InvalidTag as error:
        raise CannotOpenError("a sealed record was changed, or stands under another key than its owner's") from error
