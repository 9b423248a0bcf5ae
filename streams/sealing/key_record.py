"""How a member's keys stand in `member.keys`: one record for each generation.

    Kafka key   owner (the Kafka key of their records), then the id of the generation, 8 random bytes
    value       version 1, state (active or retired), then the wrapped key
    tombstone   the key is destroyed

Only the ingest task of the partition writes keys: it makes one in the transaction of the first record that it seals
with it, and retires it in the transaction of the `member_erased` that ends its generation: what comes afterwards is
sealed with a new one. The members task, which is behind, still opens what came before; when it handles that
`member_erased` it writes the tombstone. So neither takes away what the other needs, in whatever order they work.
"""

import struct
from typing import NamedTuple

from streams.errors import RekindleError
from streams.sealing.envelope import KEY_ID_BYTES
from streams.sealing.master import WRAPPED_BYTES

_HEAD = struct.Struct(">BB")
_VERSION = 1
_ACTIVE, _RETIRED = 0, 1
VALUE_BYTES = _HEAD.size + WRAPPED_BYTES
ENTRY_BYTES = KEY_ID_BYTES + VALUE_BYTES


class KeyEntry(NamedTuple):
    """One generation of an owner's keys; a retired one opens and doesn't seal any more."""

    key_id: bytes
    wrapped: bytes
    is_retired: bool = False

    @property
    def value(self) -> bytes:
        """The value of its record."""
        return _HEAD.pack(_VERSION, _RETIRED if self.is_retired else _ACTIVE) + self.wrapped


def topic_key(owner: bytes, key_id: bytes) -> bytes:
    """Return the Kafka key of a generation's record."""
    return owner + key_id


def owner_and_id(key: bytes) -> tuple[bytes, bytes]:
    """Take the Kafka key of a record apart."""
    return key[:-KEY_ID_BYTES], key[-KEY_ID_BYTES:]


def read_value(key_id: bytes, value: bytes) -> KeyEntry:
    """Read a record's value. Raises `RekindleError` for what isn't one: passed over, it would look like an erasure."""
    if len(value) != VALUE_BYTES:
        raise RekindleError(f"a record of member.keys has {len(value)} bytes, {VALUE_BYTES} were expected")
    version, state = _HEAD.unpack_from(value)
    if version != _VERSION or state not in (_ACTIVE, _RETIRED):
        raise RekindleError(f"a record of member.keys of version {version}, state {state}: this release knows neither")
    return KeyEntry(key_id, value[_HEAD.size :], state == _RETIRED)


def pack(entries: tuple[KeyEntry, ...]) -> bytes:
    """Write all generations of an owner, as the store keeps them."""
    return b"".join(entry.key_id + entry.value for entry in entries)


def unpack(stored: bytes | None) -> tuple[KeyEntry, ...]:
    """Read what `pack` wrote."""
    if stored is None:
        return ()
    return tuple(
        read_value(stored[at : at + KEY_ID_BYTES], stored[at + KEY_ID_BYTES : at + ENTRY_BYTES])
        for at in range(0, len(stored), ENTRY_BYTES)
    )


def changed(entries: tuple[KeyEntry, ...], key_id: bytes, value: bytes | None) -> tuple[KeyEntry, ...]:
    """Apply a record to an owner's generations."""
    others = tuple(entry for entry in entries if entry.key_id != key_id)
    if value is None:
        return others
    return (*others, read_value(key_id, value))
