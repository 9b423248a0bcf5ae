"""Local times and yearly dates, by the contract's fine print."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from streams.engine.values import Duration

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms: int) -> datetime:
    return EPOCH + timedelta(milliseconds=ms)


def hours_and_minutes(text: str) -> time:
    hour, minute = text.split(":")
    return time(int(hour), int(minute))


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
