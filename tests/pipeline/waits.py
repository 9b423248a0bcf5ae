"""Who still waits for a state at the end of a run: nobody but members who were merged in a circle (docs/identity.md).

By the wall clock, tasks that don't know of each other's mergers yet may merge three members or more in a circle: each
waits for the state of the one before, and keeps behind that its own going to the next. What waits longest in each leads
round: whoever waits without that has lost a state.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streams.engine.events import StateMoved
from streams.members.held import Awaited, Held, Kept
from streams.members.record import HELD, pack, state_of

MEMBERS_MIN = 3
"""Of two, the smaller id stays."""


def check_waits(waits: Mapping[str, Sequence[Any]]) -> None:
    """Check what waits for whom, longest ago first."""
    for key in waits:
        way = [key]
        while way[-1] not in way[:-1]:
            awaited = waits[way[-1]][0]
            assert any(
                isinstance(each, StateMoved) and each.move_id == awaited.move_id and not each.erased
                for each in waits.get(awaited.gone, ())
            ), f"a state never came: {way[-1]} waits for {awaited}"
            way.append(awaited.gone)
        circle = way[way.index(way[-1]) + 1 :]
        assert len(circle) >= MEMBERS_MIN, f"{circle} wait for each other"


def comparable(records: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Members' records: of who waits, without the bytes of records that are kept, which may be sealed."""
    return {key: _comparable(value) if state_of(value)[:1] == HELD else value for key, value in records.items()}


def _comparable(record: bytes) -> bytes:
    held, state = Held.decode(state_of(record)[1:])
    plain = Held(0)
    for item, came, has_come in held.drop():
        plain.add(Kept(0, b"", item.tick_at) if isinstance(item, Kept) else item)
        if has_come and isinstance(item, Awaited):
            plain.arrive(item.move_id, came)
    return record_of_who_waits(plain, state)


def record_of_who_waits(held: Held, state: bytes | None) -> bytes:
    """The record of a member for whom this waits."""
    return pack(None, HELD + held.encode(state))
