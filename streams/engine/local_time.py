"""Local times: a member's zone, the days and times of day in it, and what daylight saving does to them.

The rule of the contract (fine print, "Local times"): a local time that doesn't exist is read with the offset before
the change, one that occurs twice means the first. That is what `fold=0` means in Python's zoneinfo (PEP 495). The zone
data come from the pinned `tzdata` package and never from the machine, so that a replay elsewhere decides the same.

The calendar ends with the year 9999 and begins with 1: what would lie outside is `NEVER`, or cut to the last day that
every zone can name. Nothing here raises for a time that an event may bear.
"""

import functools
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

zoneinfo.reset_tzpath(to=())

DAY_MS = 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_FIRST_DAY, _LAST_DAY = date(1, 1, 3), date(9999, 12, 29)
_FIRST_MS = (datetime.combine(_FIRST_DAY, time(), UTC) - _EPOCH) // _MS
_LAST_MS = (datetime.combine(_LAST_DAY, time(), UTC) - _EPOCH) // _MS
_UTC_MIN_MS = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MS
_UTC_MAX_MS = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS
NEVER = 2**62
"""A moment (ms) that no clock reaches."""


@functools.lru_cache(maxsize=1024)
def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """The IANA zone of that name, None if there is none."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def to_datetime(at: int, tz: zoneinfo.ZoneInfo | None = None) -> datetime:
    """Milliseconds since the epoch as an aware datetime, in UTC or in `tz`."""
    if not _FIRST_MS <= at <= _LAST_MS:
        at = min(max(at, _FIRST_MS), _LAST_MS) if tz is not None else min(max(at, _UTC_MIN_MS), _UTC_MAX_MS)
    moment = _EPOCH + at * _MS
    return moment if tz is None else moment.astimezone(tz)


def to_ms(moment: datetime) -> int:
    """An aware datetime as milliseconds since the epoch, cut to whole ones."""
    return (moment - _EPOCH) // _MS


def days_after(day: date, days: int) -> date:
    """`day` moved by so many days, at most to the calendar's end."""
    return date.fromordinal(min(max(day.toordinal() + days, _FIRST_DAY.toordinal()), _LAST_DAY.toordinal()))


def local_moment(day: date, at: time, tz: zoneinfo.ZoneInfo) -> int:
    """When `at` strikes on `day` in `tz`, in ms."""
    day = min(max(day, _FIRST_DAY), _LAST_DAY)
    return to_ms(datetime.combine(day, at.replace(tzinfo=None, fold=0), tz).astimezone(UTC))


def next_local(after: int, at: time, tz: zoneinfo.ZoneInfo) -> int:
    """The first moment (ms) strictly after `after` at which `at` strikes in `tz`; `NEVER` at the calendar's end."""
    for moment in _strikes(after // DAY_MS, at, tz):
        if moment > after:
            return moment
    return NEVER


@functools.lru_cache(maxsize=65536)
def _strikes(day: int, at: time, tz: zoneinfo.ZoneInfo) -> tuple[int, ...]:
    """When `at` strikes in `tz` around a day of UTC (days since the epoch), in order.

    From two days before (the local date may be one less, and a time in a gap at midnight strikes on the next day's
    date) to three after. Few zones and times are asked for, members by the million.
    """
    utc = to_datetime(day * DAY_MS).date()
    return tuple(local_moment(days_after(utc, ahead), at, tz) for ahead in range(-2, 4))


def within(at: int, start: time, end: time, tz: zoneinfo.ZoneInfo) -> bool:
    """Whether `at` (ms) lies in [start, end), which may span midnight: whether `end` strikes next.

    By moments, not by comparing times of day: on the days when clocks change, the hours end when `end` strikes.
    """
    return next_local(at, end, tz) < next_local(at, start, tz)


def occurrence(born: date, year: int) -> date:
    """The yearly occurrence of a date (years 1 to 9999); 29 February counts as 28 February in other years."""
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 2, 28)
