"""Counters over time: buckets of a fixed step from the epoch in UTC, or calendar periods in the programme's zone.

Contract, "Counters": the value covers the current bucket and the ⌈window/step⌉ - 1 before it; a tumbling or calendar
window is the current one alone; without a window there is a single bucket for ever.
"""

from datetime import time
from decimal import Decimal
from zoneinfo import ZoneInfo

from streams.engine.local_time import days_after, local_moment, to_datetime
from streams.engine.plans import CounterPlan
from streams.engine.state import Tally

_EVER = 0


def bucket_of(counter: CounterPlan, at: int, tz: ZoneInfo) -> int:
    """The bucket that the moment `at` (ms) counts in."""
    if counter.is_endless:
        return _EVER
    if counter.period is not None:
        return _period_start(counter.period, at, tz)
    return at // counter.step_ms


def oldest_bucket(counter: CounterPlan, now: int, tz: ZoneInfo) -> int:
    """The oldest bucket that still counts at `now` (ms)."""
    current = bucket_of(counter, now, tz)
    if counter.is_endless or counter.period is not None:
        return current
    return current - counter.buckets + 1


def _period_start(period: str, at: int, tz: ZoneInfo) -> int:
    day = to_datetime(at, tz).date()
    if period == "week":
        day = days_after(day, -day.weekday())
    elif period == "month":
        day = day.replace(day=1)
    else:
        day = day.replace(month=1, day=1)
    return local_moment(day, time(), tz)


def read(counter: CounterPlan, tally: Tally | None, now: int, tz: ZoneInfo) -> Decimal | int | None:
    """The counter's value at `now` (ms): 0 of nothing, but None for a maximum of nothing."""
    if tally is None or tally.definition != counter.fingerprint:
        return None if counter.aggregate == "max" else 0
    oldest, current = oldest_bucket(counter, now, tz), bucket_of(counter, now, tz)
    if counter.aggregate == "distinct":
        return len(
            {value for bucket, values in tally.values.items() if oldest <= bucket <= current for value in values}
        )
    numbers = [number for bucket, number in tally.numbers.items() if oldest <= bucket <= current]
    if counter.aggregate == "max":
        return max(numbers, default=None)
    return sum(numbers)


def add(tally: Tally, counter: CounterPlan, value: Decimal | int | str, *, at: int, now: int, tz: ZoneInfo) -> None:
    """Count `value` in its own time `at` (ms); what no window at `now` can cover is left out, and old buckets go."""
    aggregate, numbers = counter.aggregate, tally.numbers
    if counter.is_endless and aggregate != "distinct" and not isinstance(value, str):  # nothing ever expires
        before = numbers.get(_EVER)
        if before is None:
            numbers[_EVER] = value
        else:
            numbers[_EVER] = max(before, value) if aggregate == "max" else before + value
        return
    bucket = bucket_of(counter, at, tz)
    current = bucket if at == now else bucket_of(counter, now, tz)
    oldest = current if counter.is_endless or counter.period is not None else current - counter.buckets + 1
    if bucket < oldest:
        return
    if aggregate == "distinct":
        values = tally.values.setdefault(bucket, [])
        if str(value) not in values and sum(map(len, tally.values.values())) < counter.distinct_max:
            values.append(str(value))
    elif not isinstance(value, str):
        before = numbers.get(bucket)
        if before is None:
            numbers[bucket] = value
        else:
            numbers[bucket] = max(before, value) if aggregate == "max" else before + value
    for buckets in (numbers, tally.values):
        if buckets and min(buckets) < oldest:
            for expired in [each for each in buckets if each < oldest]:
                del buckets[expired]


def unite(tally: Tally, other: Tally, counter: CounterPlan) -> None:
    """Count in `tally` what was counted in another of the same counter."""
    for bucket, number in other.numbers.items():
        before = tally.numbers.get(bucket)
        if before is None:
            tally.numbers[bucket] = number
        else:
            tally.numbers[bucket] = max(before, number) if counter.aggregate == "max" else before + number
    room = counter.distinct_max - sum(map(len, tally.values.values()))
    for bucket, values in other.values.items():
        own = tally.values.setdefault(bucket, [])
        new = [value for value in values if value not in own][: max(0, room)]
        own += new
        room -= len(new)


def next_turn(counter: CounterPlan, tally: Tally | None, now: int, tz: ZoneInfo) -> int | None:
    """When (ms) the counter's value next changes if nothing is counted any more; None if it never does."""
    if tally is None or counter.is_endless or tally.definition != counter.fingerprint:
        return None
    oldest = oldest_bucket(counter, now, tz)
    counting = [bucket for bucket in (*tally.numbers, *tally.values) if bucket >= oldest]
    if not counting:
        return None
    if counter.period is not None:
        return _next_period_start(counter.period, now, tz)
    return (min(counting) + counter.buckets) * counter.step_ms


def _next_period_start(period: str, now: int, tz: ZoneInfo) -> int:
    day = to_datetime(_period_start(period, now, tz), tz).date()
    return _period_start(period, local_moment(days_after(day, _LONGEST_DAYS[period]), time(), tz), tz)


_LONGEST_DAYS = {"week": 7, "month": 31, "year": 366}
