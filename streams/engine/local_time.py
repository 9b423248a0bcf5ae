"""Local times: a member's zone, the days and times of day in it, and what daylight saving does to them.

The rule of the contract (fine print, "Local times"): a local time that doesn't exist is read with the offset before
the change, one that occurs twice means the first. That is what `fold=0` means in Python's zoneinfo (PEP 495). The zone
data come from the pinned `tzdata` package and never from the machine, so that a replay elsewhere decides the same.
"""

import functools
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

zoneinfo.reset_tzpath(to=())

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@functools.lru_cache(maxsize=1024)
def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The IANA zone of that name, None if there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_datetime(at: int, tz: zoneinfo.ZoneInfo | None = None) -> datetime:
    """Milliseconds since the epoch as an aware datetime, in UTC or in `tz`."""
    moment = _EPOCH + at * _MS
    return moment if tz is None else moment.astimezone(tz)


def to_ms(moment: datetime) -> int:
    """An aware datetime as milliseconds since the epoch, cut to whole ones."""
    return (moment - _EPOCH) // _MS


def local_moment(day: date, at: time, tz: zoneinfo.ZoneInfo) -> int:
    """When `at` strikes on `day` in `tz`, in ms."""
    return to_ms(datetime.combine(day, at.replace(tzinfo=None, fold=0), tz).astimezone(UTC))


def next_local(after: int, at: time, tz: zoneinfo.ZoneInfo) -> int:
    """The first moment strictly after `after` (ms) at which `at` strikes in `tz`, in ms."""
    day = to_datetime(after, tz).date()
    for ahead in range(3):
        moment = local_moment(day + timedelta(days=ahead), at, tz)
        if moment > after:
            return moment
    raise AssertionError("a local time strikes at least once in two days")


def within(at: int, start: time, end: time, tz: zoneinfo.ZoneInfo) -> bool:
    """Whether the local time at `at` (ms) lies in [start, end), which may span midnight."""
    now = to_datetime(at, tz).time()
    if start <= end:
        return start <= now < end
    return now >= start or now < end


def occurrence(born: date, year: int) -> date:
    """The yearly occurrence of a date; 29 February counts as 28 February in other years."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
