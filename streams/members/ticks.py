"""Ticks that found more members due than may hold up the others, until all of those members have caught up.

A tick concerns every member with a timer due by it, and members are independent of each other. So a tick with many of
them stays *open*: its place in the log is passed, other members' events are handled, and in between the due ones are
worked off in portions, in order of due time. A member's own order is kept: before their next event, and in every
portion, they catch up with the open ticks one by one, as if each had been handled where it stands in the log.

No list of who is through is needed. Whoever has a timer due by an open tick isn't: after a tick, and after an event,
no member has one that is due by the partition's last tick (`MemberStep` sees to it). The open ticks alone are kept,
in the same transactions as everything else (`streams.members.record.OPEN`).
"""

from bisect import bisect_left
from operator import attrgetter
from typing import NamedTuple

import msgspec

OPEN_TICKS_MAX = 600
"""Ten minutes by the wall clock. With more, the log waits until the first of them is done."""

_at = attrgetter("at")


class OpenTick(NamedTuple):
    """A tick at `at` (ms), which stands in `member.events` at `offset`; `wall`: it was taken from the clock."""

    at: int
    wall: bool
    offset: int


class OpenTicks:
    """The open ticks of a partition, in their order, which is that of their times, too."""

    def __init__(self, encoded: bytes | None) -> None:
        self._ticks = [] if encoded is None else msgspec.msgpack.decode(encoded, type=list[OpenTick])

    def __bool__(self) -> bool:
        return bool(self._ticks)

    def __len__(self) -> int:
        return len(self._ticks)

    @property
    def until(self) -> int:
        """The time of the last, in ms."""
        return self._ticks[-1].at

    def append(self, tick: OpenTick) -> None:
        """Add a tick; one that is no later than the last has nothing to fire."""
        if not self._ticks or tick.at > self.until:
            self._ticks.append(tick)

    def first_for(self, due: int) -> OpenTick:
        """Return the one that fires a timer that is due by `until`."""
        return self._ticks[bisect_left(self._ticks, due, key=_at)]

    def passed(self, due: int | None) -> None:
        """Close those by which nobody is due any more: everyone who was due before `due`, or at all, has caught up."""
        del self._ticks[: len(self._ticks) if due is None else bisect_left(self._ticks, due, key=_at)]

    def encode(self) -> bytes | None:
        """Return what makes them again, None if there are none."""
        return msgspec.msgpack.encode(self._ticks) if self._ticks else None
