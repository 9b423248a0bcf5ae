"""The values of the campaign language: durations, local times, exact numbers.

Durations follow the contract: days and shorter are clock time, months and years calendar months in UTC, cut to the
month's last day. Numbers are decimal, never binary floats, so that sums of money stay exact.
"""

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, StrictInt, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from streams.engine.definition import described

_MS = {"W": 604_800_000, "D": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000}
_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?:(?P<Y>\d+)Y)?(?:(?P<M>\d+)M)?(?:(?P<W>\d+(?:\.\d+)?)W)?(?:(?P<D>\d+(?:\.\d+)?)D)?"
    r"(?:T(?:(?P<h>\d+(?:\.\d+)?)H)?(?:(?P<m>\d+(?:\.\d+)?)M)?(?:(?P<s>\d+(?:\.\d+)?)S)?)?"
)
_PATTERN = (
    r"^[+-]?P(?=.)(\d+Y)?(\d+M)?(\d+(\.\d+)?W)?(\d+(\.\d+)?D)?(T(?=\d)(\d+(\.\d+)?H)?(\d+(\.\d+)?M)?(\d+(\.\d+)?S)?)?$"
)
_YEARS_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time: calendar months (years are twelve) and milliseconds of clock time."""

    months: int = 0
    ms: int = 0

    @classmethod
    def parse(cls, text: str) -> "Duration":
        """Read ISO 8601 (`P14D`, `PT12H`, `P1M`, `-P3D`). Raises `ValueError` with what was expected."""
        match = _DURATION.fullmatch(text)
        if match is None or text.endswith(("P", "T")):
            raise ValueError(f"expected a duration such as P14D, PT12H or P1M, not the string `{text}`")
        sign = -1 if match["sign"] == "-" else 1
        months = 12 * int(match["Y"] or 0) + int(match["M"] or 0)
        ms = sum((Decimal(match[unit] or 0) * each for unit, each in _MS.items()), Decimal(0))
        if ms != int(ms):
            raise ValueError(f"expected whole milliseconds, not `{text}`")
        if months > 12 * _YEARS_MAX or ms > 366 * _MS["D"] * _YEARS_MAX:
            raise ValueError(f"expected at most {_YEARS_MAX} years, not `{text}`")
        return cls(sign * months, sign * int(ms))

    def after(self, at_ms: int) -> int:
        """The moment so long after `at_ms` (milliseconds since the epoch)."""
        return add_months(at_ms, self.months) + self.ms if self.months else at_ms + self.ms

    def before(self, at_ms: int) -> int:
        """The moment so long before `at_ms` (milliseconds since the epoch)."""
        return add_months(at_ms, -self.months) - self.ms

    @property
    def negative(self) -> bool:
        """Whether it points backwards."""
        return self.months < 0 or self.ms < 0

    @property
    def approximate_ms(self) -> int:
        """Its length with months of 30 days: for comparing lengths in warnings, never for a decision."""
        return self.months * 30 * _MS["D"] + self.ms

    def __str__(self) -> str:
        sign = "-" if self.negative else ""
        months, rest = abs(self.months), abs(self.ms)
        years, months = divmod(months, 12)
        day = f"{years}Y" * (years > 0) + f"{months}M" * (months > 0)
        clock = ""
        for unit in "Dhms":
            count, rest = divmod(rest, _MS[unit])
            if unit == "D":
                day += f"{count}D" * (count > 0)
            elif unit == "s":
                seconds = f"{count}.{rest:03d}".rstrip("0") if rest else str(count)
                clock += f"{seconds}S" * (seconds != "0")
            else:
                clock += f"{count}{unit.upper()}" * (count > 0)
        return f"{sign}P{day}T{clock}" if clock else f"{sign}P{day or '0D'}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read from its ISO 8601 text; negative only where the field is an `Offset`."""
        return core_schema.no_info_plain_validator_function(_forward, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A string in ISO 8601."""
        return {"type": "string", "format": "duration", "pattern": _PATTERN.replace("[+-]?", ""), "examples": ["P14D"]}


def _any_duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    if not isinstance(value, str):
        raise _expected("a duration such as P14D, PT12H or P1M", value)
    try:
        return Duration.parse(value)
    except ValueError as error:
        raise PydanticCustomError("definition", str(error)) from None


def _forward(value: Any) -> Duration:
    duration = _any_duration(value)
    if duration.negative:
        raise _expected("a duration that isn't negative", str(value))
    return duration


def _positive(value: Any) -> Duration:
    duration = _forward(value)
    if duration == Duration():
        raise _expected("a duration longer than nothing", str(value))
    return duration


Offset = Annotated[
    Duration,
    PlainValidator(_any_duration),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "examples": ["-P3D"]}),
]
Period = Annotated[
    Duration,
    PlainValidator(_positive),
    WithJsonSchema({"type": "string", "format": "duration", "pattern": _PATTERN.replace("[+-]?", "")}),
]


def add_months(at_ms: int, months: int) -> int:
    """The moment `months` calendar months later in UTC, cut to the month's last day.

    Outside the years 1 to 9999 it is the moment so many months of 31 days later: no clock comes there.
    """
    if not months:
        return at_ms
    seconds, rest = divmod(at_ms, 1000)
    try:
        at = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return at_ms + months * 31 * _MS["D"]
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        return at_ms + months * 31 * _MS["D"]
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    moved = at.replace(year=year, month=month + 1, day=day)
    return (moved - _EPOCH) // timedelta(seconds=1) * 1000 + rest


_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


def _local_time(value: Any) -> time:
    if isinstance(value, time):
        return value
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _expected('a time of day such as "10:00"', value)
    try:
        return time(int(match[1]), int(match[2]), int(match[3] or 0))
    except ValueError:
        raise _expected('a time of day such as "10:00"', value) from None


LocalTime = Annotated[
    time,
    PlainValidator(_local_time),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d{2}(:\d{2})?$", "examples": ["10:00"]}),
]


def exact_number(value: Any) -> Decimal:
    """A YAML number, exactly. Raises `PydanticCustomError` for anything else."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _expected("a number", value)
    return Decimal(repr(value))


Number = Annotated[Decimal, PlainValidator(exact_number), WithJsonSchema({"type": "number"})]


def _percent(value: Any) -> Decimal:
    number = exact_number(value)
    if not 0 <= number <= 100:  # noqa: PLR2004 - percent
        raise _expected("a percentage from 0 to 100", value)
    return number


Percent = Annotated[Decimal, PlainValidator(_percent), WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})]
Count = Annotated[StrictInt, Field(ge=1)]
TEXT_CHARS_MAX = 10_000
Text = Annotated[str, Field(min_length=1, max_length=TEXT_CHARS_MAX)]
Source = Annotated[str, Field(min_length=1)]
"""The text of a template: how long it may be is Liquid's affair."""


def _zone(value: Any) -> str:
    if isinstance(value, str) and is_zone(value):
        return value
    raise _expected("a time zone such as Europe/Moscow", value)


def is_zone(name: str) -> bool:
    """Whether there is a time zone of that IANA name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        return False
    return True


ZoneName = Annotated[str, PlainValidator(_zone), WithJsonSchema({"type": "string", "examples": ["Europe/Moscow"]})]


def _written_as(pattern: str, what: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if isinstance(value, str) and re.fullmatch(pattern, value):
            return value
        raise _expected(what, value)

    return read


_REGION, _WEB_ADDRESS = r"^[A-Z]{2}$", r"^https?://[^\s]+$"
Region = Annotated[
    str,
    PlainValidator(_written_as(_REGION, "a country as two capital letters such as RU")),
    WithJsonSchema({"type": "string", "pattern": _REGION}),
]
WebAddress = Annotated[
    str,
    PlainValidator(_written_as(_WEB_ADDRESS, "an address such as https://partner.example.com/hook")),
    WithJsonSchema({"type": "string", "pattern": _WEB_ADDRESS}),
]


def _local_datetime(value: Any) -> datetime:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value
    found = None
    if isinstance(value, str) and ("T" in value or " " in value):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    if found is None or found.tzinfo is not None:
        raise _expected('a local date and time without offset such as "2026-12-01T10:00"', value)
    return found


LocalDateTime = Annotated[
    datetime,
    PlainValidator(_local_datetime),
    WithJsonSchema({"type": "string", "examples": ["2026-12-01T10:00"]}),
]


def moment_ms(value: Any, zone: ZoneInfo, *, end_of_day: bool) -> int:
    """A moment in milliseconds: ISO 8601 with offset, or local to `zone`; a date is its first moment, or its last.

    `end_of_day` makes a date alone mean the first moment of the day after it. Raises `PydanticCustomError`.
    """
    expected = 'a moment such as "2026-12-01T10:00+03:00" or a date'
    if isinstance(value, bool):
        raise _expected(expected, value)
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise _expected(expected, value)
    try:
        if len(value) == len("2026-12-01"):
            day = date.fromisoformat(value)
            day = date.fromordinal(day.toordinal() + 1) if end_of_day else day
            found = datetime(day.year, day.month, day.day, tzinfo=zone)
        else:
            found = datetime.fromisoformat(value)
            found = found if found.tzinfo else found.replace(tzinfo=zone)
    except ValueError:
        raise _expected(expected, value) from None
    return round(found.timestamp() * 1000)


def _expected(what: str, value: Any) -> PydanticCustomError:
    return PydanticCustomError("definition", f"expected {what}, not {described(value)}")
