from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from streams.engine.values import Duration, LocalTime, Number, Offset, Period, add_months, moment_ms

DAY, HOUR = 86_400_000, 3_600_000


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "months", "length_ms"),
    [
        ("P14D", 0, 14 * DAY),
        ("PT12H", 0, 12 * HOUR),
        ("P2W", 0, 14 * DAY),
        ("P1M", 1, 0),
        ("PT1M", 0, 60_000),
        ("P1Y", 12, 0),
        ("P1Y2M3DT4H", 14, 3 * DAY + 4 * HOUR),
        ("PT0.5S", 0, 500),
        ("P0D", 0, 0),
        ("-P3D", 0, -3 * DAY),
    ],
)
def test_durations_are_read_as_iso_8601(text: str, months: int, length_ms: int) -> None:
    assert Duration.parse(text) == Duration(months, length_ms)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "14D", "P1DT", "P1H", "P1D2M", "p1d", "P1.5M", "P9999Y", "PT0.0001S", "--P1D"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Duration.parse(text)


@given(st.integers(0, 240), st.integers(0, 10**10))
def test_a_duration_survives_its_text(months: int, length_ms: int) -> None:
    duration = Duration(months, length_ms)
    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2026-01-31T10:00:00+00:00", 1, "2026-02-28T10:00:00+00:00"),
        ("2024-01-31T10:00:00+00:00", 1, "2024-02-29T10:00:00+00:00"),
        ("2026-03-31T10:00:00.250+00:00", -1, "2026-02-28T10:00:00.250+00:00"),
        ("2024-02-29T00:00:00+00:00", 12, "2025-02-28T00:00:00+00:00"),
        ("2026-11-15T00:00:00+00:00", 2, "2027-01-15T00:00:00+00:00"),
    ],
)
def test_months_are_calendar_months_cut_to_the_last_day(start: str, months: int, end: str) -> None:
    assert add_months(ms(start), months) == ms(end)


def test_days_are_clock_time_across_a_change_of_the_clocks() -> None:
    start = ms("2026-03-28T12:00:00+01:00")
    assert Duration.parse("P1D").after(start) == start + DAY


def test_before_goes_back_by_months_then_by_clock_time() -> None:
    assert Duration.parse("P1M1D").before(ms("2026-03-31T00:00:00+00:00")) == ms("2026-02-27T00:00:00+00:00")


@pytest.mark.parametrize(("kind", "text"), [(Duration, "-P1D"), (Period, "P0D"), (Period, "-P1D")])
def test_only_an_offset_points_backwards(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)
    assert TypeAdapter(Offset).validate_python(text) == Duration.parse(text)


def test_local_times() -> None:
    times = TypeAdapter(LocalTime)
    assert times.validate_python("9:05") == time(9, 5)
    assert times.validate_python("21:00:30") == time(21, 0, 30)
    for wrong in ("24:00", "10", "10:60", 600, None, "10:00Z"):
        with pytest.raises(ValidationError, match="time of day"):
            times.validate_python(wrong)


def test_numbers_are_exact() -> None:
    numbers = TypeAdapter(Number)
    assert numbers.validate_python(Decimal("0.1")) == Decimal("0.1")
    assert numbers.validate_python(0.1) == Decimal("0.1")
    for wrong in (True, "5", None):
        with pytest.raises(ValidationError, match="expected a number"):
            numbers.validate_python(wrong)


def test_moments_are_local_to_the_zone_unless_they_say_otherwise() -> None:
    moscow = ZoneInfo("Europe/Moscow")
    assert moment_ms("2026-12-01T10:00", moscow, end_of_day=False) == ms("2026-12-01T07:00:00+00:00")
    assert moment_ms("2026-12-01T10:00Z", moscow, end_of_day=True) == ms("2026-12-01T10:00:00+00:00")
    assert moment_ms("2026-12-31", moscow, end_of_day=False) == ms("2026-12-31T00:00:00+03:00")
    assert moment_ms("2026-12-31", moscow, end_of_day=True) == ms("2027-01-01T00:00:00+03:00")
    assert datetime.fromtimestamp(moment_ms(0, moscow, end_of_day=False), UTC).year == 1970
