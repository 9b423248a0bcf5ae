"""Canonical values: one form, whichever way a number or a time came."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.values import (
    MS_MAX,
    MS_MIN,
    datetime_from_ms,
    decimal_from_bytes,
    decimal_to_bytes,
    exact,
    format_time,
    ms_from_datetime,
    parse_time,
)


@pytest.mark.parametrize(
    ("given_number", "canonical"),
    [
        ("351.0", "351"),
        ("12.50", "12.5"),
        ("1e3", "1000"),
        ("-0", "0"),
        ("0.0000005", "0"),
        ("0.0000015", "0.000002"),
        ("0.0000025", "0.000002"),
        ("-12.5", "-12.5"),
        ("999999999999.999999", "999999999999.999999"),
    ],
)
def test_numbers_are_plain_and_rounded_half_even(given_number: str, canonical: str) -> None:
    assert str(exact(Decimal(given_number))) == canonical


@pytest.mark.parametrize("number", ["1e12", "999999999999.9999999", "-1e12", "1e400", "NaN", "Infinity"])
def test_numbers_that_the_schema_cannot_hold_are_refused(number: str) -> None:
    with pytest.raises(ValueError, match="number"):
        exact(Decimal(number))


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-999_999_999_999, max_value=999_999_999_999))
def test_bytes_keep_a_number_whatever_the_context_of_the_caller(number: Decimal) -> None:
    with localcontext() as context:
        context.prec = 3
        canonical = exact(number)
        assert decimal_from_bytes(decimal_to_bytes(number)) == canonical
    with localcontext() as wide:
        wide.prec = 100
        assert canonical == number.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


@pytest.mark.parametrize("data", [b"\x7f" * 8, b"\x80" + b"\0" * 7, b"\0" * 17])
def test_bytes_of_too_large_a_number_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="digits"):
        decimal_from_bytes(data)


@given(st.integers(MS_MIN, MS_MAX))
def test_times_survive_being_written(ms: int) -> None:
    assert parse_time(format_time(ms)) == ms
    assert ms_from_datetime(datetime_from_ms(ms)) == ms


def test_a_time_is_written_in_whole_seconds_unless_it_has_a_fraction() -> None:
    moment = ms_from_datetime(datetime(2026, 3, 1, 7, tzinfo=UTC))
    assert format_time(moment) == "2026-03-01T07:00:00Z"
    assert format_time(moment + 120) == "2026-03-01T07:00:00.120Z"


def test_a_fraction_below_a_millisecond_is_cut_off() -> None:
    assert parse_time("1969-12-31T23:59:59.9999Z") == -1
    assert parse_time("1970-01-01T00:00:00.0019+00:00") == 1


@pytest.mark.parametrize(
    "text",
    ["2026-03-01", "2026-03-01T10:00:00", "10:00", "", "now", "0001-01-01T00:00:00+03:00", "9999-12-31T23:59:59-01:00"],
)
def test_a_time_without_offset_or_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time(text)
