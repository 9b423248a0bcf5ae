"""When lists are evaluated: pure; the time, in milliseconds since the epoch, is passed in.

A list is due as soon as it has never been evaluated or its definition was edited, then as it says. What was missed
while nothing ran is made up once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from streams.engine.calendar_timers import next_by_cron
from streams.engine.values import Duration


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every` so often, or by `cron` in a zone; `definition` tells an edited definition from the one before."""

    definition: str
    zone: ZoneInfo
    every: Duration | None = None
    cron: str | None = None


def due_at(schedule: Schedule, evaluated_ms: int | None, definition: str | None) -> int:
    """When it is due, given when it was evaluated last (None: never) and by which definition; 0 is at once."""
    if evaluated_ms is None or definition != schedule.definition:
        return 0
    if schedule.every is not None:
        return schedule.every.after(evaluated_ms)
    assert schedule.cron is not None, "one of both is stated"
    due = next_by_cron(schedule.cron, evaluated_ms, schedule.zone)
    return _NEVER if due is None else due


def daily(at: str) -> str:
    """Write a time of day such as 03:00 as cron."""
    hour, minute, *_ = at.split(":")
    return f"{int(minute)} {int(hour)} * * *"


_NEVER = 1 << 60


def first_due(due: Sequence[tuple[int, str]], now_ms: int) -> str | None:
    """Name the list that has been due longest, None if none is due."""
    ripe = [each for each in due if each[0] <= now_ms]
    return min(ripe)[1] if ripe else None
