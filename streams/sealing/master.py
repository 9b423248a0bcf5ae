"""The master keys: what the environment gives, and what every member's key is wrapped with.

`member.keys` is a topic like any other, so its values say nothing without `REKINDLE_MASTER_KEY`. Of several the first
wraps and all unwrap: a new one is put in front, and once every key of the old one is gone or wrapped anew, the old one
leaves. Each wrapped key names its master by four bytes of its SHA-256, so nothing is tried in vain.

A missing master must not look like an erased member, whose records are passed over: it raises.
"""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streams.errors import RekindleError
from streams.sealing.envelope import KEY_BYTES, NONCE_BYTES, TAG_BYTES, Draw

MASTER_BYTES = 32
NAME_BYTES = 4
WRAPPED_BYTES = NAME_BYTES + NONCE_BYTES + KEY_BYTES + TAG_BYTES
VARIABLE = "REKINDLE_MASTER_KEY"


class MasterKeys:
    """The master keys of a process."""

    def __init__(self, keys: list[bytes], draw: Draw = os.urandom) -> None:
        """Take the keys, the one that wraps first. Names hang on the last, the oldest, which must stay."""
        self._draw = draw
        self._ciphers = {_name(key): AESGCM(key) for key in keys}
        self._first = _name(keys[0])
        self.naming_secret = hashlib.sha256(b"rekindle pseudonyms" + keys[-1]).digest()

    @classmethod
    def from_setting(cls, setting: str | None, draw: Draw = os.urandom) -> "MasterKeys | None":
        """Read the setting; None if there is none. Raises `RekindleError`, which shows nothing of it."""
        if setting is None:
            return None
        keys = []
        for number, part in enumerate(setting.split(","), 1):
            try:
                key = base64.b64decode(part.strip(), validate=True)
            except ValueError:
                key = b""
            if len(key) != MASTER_BYTES:
                raise RekindleError(f"{VARIABLE}: key {number} is not the base64 of {MASTER_BYTES} bytes")
            keys.append(key)
        return cls(keys, draw)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Wrap a key with the first master; `context` says what it belongs to, and must be given again."""
        nonce = self._draw(NONCE_BYTES)
        return self._first + nonce + self._ciphers[self._first].encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the key. Raises `RekindleError` when its master is missing, or it was changed."""
        name, nonce = wrapped[:NAME_BYTES], wrapped[NAME_BYTES : NAME_BYTES + NONCE_BYTES]
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise RekindleError(
                f"a member's key was wrapped by master key {name.hex()}, which {VARIABLE} doesn't have: "
                "add it behind the first, separated by a comma"
            )
        try:
            return cipher.decrypt(nonce, wrapped[NAME_BYTES + NONCE_BYTES :], context)
        except InvalidTag as error:
            raise RekindleError("a record of member.keys was changed: its key cannot be unwrapped") from error


def _name(key: bytes) -> bytes:
    """Name a master key without telling anything of it that helps to guess it: it has 256 random bits."""
    return hashlib.sha256(b"rekindle master key" + key).digest()[:NAME_BYTES]
