"""Local times, yearly dates, cron, by the contract's fine print."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from streams.engine.values import Duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def hours_and_minutes(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


@lru_cache(100_000)
def local_moment(day: date, at: str, zone: ZoneInfo) -> int:
    """One that doesn't exist is read with the offset before the change, one that occurs twice means the first."""
    local = datetime.combine(day, hours_and_minutes(at))
    day_before = (local - timedelta(days=1)).replace(tzinfo=zone)
    offset_before = day_before.utcoffset()
    offsets = [candidate for hours in range(-30, 31) if (candidate := _offset(local, hours, zone)) is not None]
    for offset in sorted(set(offsets), reverse=True):  # a larger offset is an earlier moment
        found = (local - offset).replace(tzinfo=UTC)
        if found.astimezone(zone).replace(tzinfo=None) == local:
            return (found - EPOCH) // timedelta(milliseconds=1)
    assert offset_before is not None
    return ((local - offset_before).replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)


def _offset(local: datetime, hours: int, zone: ZoneInfo) -> timedelta | None:
    return (local.replace(tzinfo=UTC) + timedelta(hours=hours)).astimezone(zone).utcoffset()


def days_in_year(day: date, year: int, offset: Duration) -> date:
    """The day's occurrence in a year (29 February is 28 February in other years), moved by the offset."""
    try:
        occurrence = day.replace(year=year)
    except ValueError:
        occurrence = date(year, 2, 28)
    at = (datetime.combine(occurrence, time(), UTC) - EPOCH) // timedelta(milliseconds=1)
    return moment(offset.after(at)).date()


def cron_moments(expression: str, now: int, zone: ZoneInfo) -> list[int]:
    """The moments of an expression such as `30 10,22 * * 1` from two days before now to five weeks after it."""
    minutes, hours, days, months, weekdays = map(_numbers, expression.split(), (60, 24, 32, 13, 7))
    first = moment(now).astimezone(zone).date() - timedelta(days=2)
    dates = [first + timedelta(days=ahead) for ahead in range(40)]
    return [
        local_moment(day, f"{hour:02}:{minute:02}", zone)
        for day in dates
        if day.day in days and day.month in months and day.isoweekday() % 7 in weekdays
        for hour in hours
        for minute in minutes
    ]


def _numbers(field: str, end: int) -> list[int]:
    if field == "*":
        return list(range(end))
    if field.startswith("*/"):
        return list(range(0, end, int(field[2:])))
    return [int(number) for number in field.split(",")]
