"""Values on their way between JSON, Avro and Python, each in one canonical form, whichever way it came.

The same fact must give the same decision whether it was read from a file or from Kafka, so both readers end here:
numbers are `Decimal` with at most six decimals, rounded half-even, without trailing zeros or exponent (`351`, `12.5`);
times are whole milliseconds since the epoch in UTC, or aware `datetime` in a body.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import lru_cache

SCALE = 6
PRECISION = 18

_ONE = Decimal(1)
_STEP = Decimal(1).scaleb(-SCALE)
_LIMIT = Decimal(10) ** (PRECISION - SCALE)
# Its own context: a caller's precision must not change what a receipt says.
_CONTEXT = Context(prec=PRECISION + 2, rounding=ROUND_HALF_EVEN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
MS_MIN = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
MS_MAX = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND
_OFFSET = re.compile(r"(?:[zZ]|[+-]\d\d(?::?\d\d)?(?::?\d\d(?:\.\d+)?)?)$")


@lru_cache(maxsize=65_536)
def exact(value: Decimal) -> Decimal:
    """Bring a number into its canonical form. Raises `ValueError` for one that decimal(18, 6) cannot hold."""
    if not value.is_finite():
        raise ValueError("a finite number")
    try:
        rounded = value.quantize(_STEP, context=_CONTEXT)
    except InvalidOperation:
        raise ValueError(_TOO_LARGE) from None
    if not -_LIMIT < rounded < _LIMIT:
        raise ValueError(_TOO_LARGE)
    return _plain(rounded)


_TOO_LARGE = f"a number of at most {PRECISION - SCALE} digits before the point"


def _plain(value: Decimal) -> Decimal:
    if not value:
        return Decimal(0)
    short = value.normalize(_CONTEXT)
    exponent = short.as_tuple().exponent
    assert isinstance(exponent, int)
    return short.quantize(_ONE, context=_CONTEXT) if exponent > 0 else short


@lru_cache(maxsize=65_536)
def decimal_from_bytes(data: bytes) -> Decimal:
    """Read a number from Avro's bytes: prices repeat, hence the cache. Raises `ValueError` for too large a one."""
    if len(data) > _BYTES_MAX:
        raise ValueError(_TOO_LARGE)
    return exact(Decimal(int.from_bytes(data, "big", signed=True)).scaleb(-SCALE, _WIDE))


_BYTES_MAX = 16
_WIDE = Context(prec=60)


@lru_cache(maxsize=65_536)
def decimal_to_bytes(value: Decimal) -> bytes:
    """Avro's bytes of a number, rounded half-even to six decimals. Raises `ValueError` for one too large."""
    unscaled = int(exact(value).scaleb(SCALE, _CONTEXT))
    return unscaled.to_bytes((unscaled.bit_length() + 8) // 8, "big", signed=True)


def ms_from_datetime(moment: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime, cut down to the whole millisecond."""
    return (moment - _EPOCH) // _MILLISECOND


def datetime_from_ms(ms: int) -> datetime:
    """Make an aware datetime in UTC. Raises `ValueError` outside the years 1 to 9999."""
    check_ms(ms)
    return _EPOCH + timedelta(milliseconds=ms)


def check_ms(ms: int) -> None:
    """Raise `ValueError` for a time outside the years 1 to 9999."""
    if not MS_MIN <= ms <= MS_MAX:
        raise ValueError(f"a time in the years 1 to 9999, not {ms} ms since 1970")


def parse_time(text: str) -> int:
    """Milliseconds since the epoch of an ISO 8601 time with offset. Raises `ValueError` saying what is wrong."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(_TIME) from None
    if moment.tzinfo is None or not _OFFSET.search(text):
        raise ValueError(f"{_TIME}: the offset is missing")
    ms = ms_from_datetime(moment)
    check_ms(ms)
    return ms


_TIME = "a time in ISO 8601 with offset, such as 2026-03-01T10:00:00+03:00"


def format_time(ms: int) -> str:
    """ISO 8601 in UTC with `Z`, in whole seconds, a fraction only where it isn't zero."""
    moment = datetime_from_ms(ms)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") if moment.year > 999 else moment.isoformat()[:19]  # noqa: PLR2004
    fraction = ms % 1000
    return f"{text}.{fraction:03d}Z" if fraction else f"{text}Z"
