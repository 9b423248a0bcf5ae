"""How a member stands in the store and in the changelog: when its next timer is due, then its state.

The due time in front makes the index of due times a matter of eight bytes: recovery and updates never decode a state
to keep it. Keys that begin with a zero byte are the stage's own; no member id does (`schemas.keys`).
"""

import struct

RESERVED = b"\0"
FENCE = b"\0fence"
"""Written to each changelog partition by whoever takes it over; read up to it, the state is complete."""
PROGRAMME = b"\0programme"
"""Number of the programme in force in the partition, decimal."""
ADOPTING = b"\0adopting"
"""How far a new programme has come through the members (`streams.members.adoption`); offset:key, before 2026-12."""
ADOPTED = b"\0adopted:"
"""Before the key of a member to whom it needn't come any more: the offset of its record, decimal."""
TICK = b"\0tick"
"""The last tick that the partition has handled, decimal milliseconds since the epoch."""
OPEN = b"\0open"
"""The ticks that are still worked off (`streams.members.ticks`)."""
PARTITIONS = b"\0partitions"
"""How many partitions there were when the state was written, decimal; missing in what was written before 2026-12."""
INGESTED = b"\0ingested:"
"""In the table of links, before the number of a partition: ingest has written into it, and committed its offsets."""
PROGRESS = b"\0progress"
"""Next offset of `member.events`, decimal: what the group's offsets say, too, unless they have expired."""

MOVED = b"\x7e"
"""Instead of a state: it was handed over; whose it became part of follows (UTF-8)."""
HELD = b"\x7d"
"""Before what waits for the member, and their own state (`streams.members.held`). No state begins with either byte."""

_DUE = struct.Struct(">Q")
_NEVER = 2**64 - 1
DUE_BYTES = _DUE.size


def pack(due: int | None, state: bytes) -> bytes:
    """Join due time (milliseconds since the epoch, not before it) and encoded state."""
    return _DUE.pack(_NEVER if due is None else max(due, 0)) + state


def due_of(value: bytes) -> int | None:
    """Return the due time of a record."""
    (due,) = _DUE.unpack_from(value)
    return None if due == _NEVER else due


def state_of(value: bytes) -> bytes:
    """Return the encoded state of a record."""
    return value[DUE_BYTES:]


def index_key(due: int, key: bytes) -> bytes:
    """Return a member's entry in the due index; entries sort by due time, then key."""
    return _DUE.pack(max(due, 0)) + key


def after_entry(due: int, key: bytes) -> bytes:
    """Return the first possible entry behind a member's."""
    return index_key(due, key) + b"\0"


def index_bound(due: int) -> bytes:
    """Return the first possible entry that is due later."""
    return _DUE.pack(max(due + 1, 0))


def split_index_key(entry: bytes) -> tuple[int, bytes]:
    """Return due time and key of an entry."""
    return _DUE.unpack_from(entry)[0], entry[DUE_BYTES:]
