"""Write records as Avro, by objects composed once per schema.

fastavro's writer tries the branches of every union; ours knows of each field its one branch beside null. What it writes
is plain Avro: tests read it back with fastavro. Values are `str`, `int`, `bool`, `Decimal` (rounded half-even to six
decimals), aware `datetime` or `int` milliseconds, `date`, and lists and mappings of these; a missing or None one takes
the schema's default.
"""

import struct
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from schemas.values import check_ms, decimal_to_bytes, ms_from_datetime

_SMALL_MAX: Final = 1024
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_LONG_BITS: Final = 63
_KNOWN_MAX: Final = 10_000


def encode_long(value: int) -> bytes:
    """Zigzag and seven bits per byte."""
    if 0 <= value < _SMALL_MAX:
        return _SMALL[value]
    return _any_long(value)


def _any_long(value: int) -> bytes:
    rest = (value << 1) ^ (value >> _LONG_BITS)
    out = bytearray()
    while rest > 0x7F:  # noqa: PLR2004 - the seven bits
        out.append((rest & 0x7F) | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_six_bytes: Final = struct.Struct("6B").pack
_SIX_MIN: Final = 1 << 34  # the times that take six bytes: 1970 to 2039
_SIX_END: Final = 1 << 41
_SMALL: Final = [_any_long(value) for value in range(_SMALL_MAX)]


class Writer:
    """Writes values of one type. Raises `ValueError`, `TypeError`, `AttributeError` or `KeyError` for one that's unfit.

    The message of a `ValueError` says what is wrong with it.
    """

    def write(self, value: Any) -> bytes:
        """Write one value."""
        raise NotImplementedError


class StringWriter(Writer):
    """Text."""

    def write(self, value: Any) -> bytes:  # noqa: D102 - the base class says it, here and below
        text: str = value
        data = text.encode("utf-8")
        size = len(data)
        return (_SMALL[size] if size < _SMALL_MAX else _any_long(size)) + data


class BytesWriter(Writer):
    """Bytes."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        return encode_long(len(value)) + bytes(value)


class BooleanWriter(Writer):
    """True or false."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        if value is True:
            return b"\x01"
        if value is False:
            return b"\x00"
        raise ValueError(f"expected true or false, got {value!r}")


class IntegerWriter(Writer):
    """Whole numbers of 64 bits."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        if type(value) is not int or value.bit_length() > _LONG_BITS:
            raise ValueError(f"expected a whole number of 64 bits, got {value!r}")
        return encode_long(value)


class DecimalWriter(Writer):
    """Numbers."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        if isinstance(value, int) and not isinstance(value, bool):
            value = Decimal(value)
        if not isinstance(value, Decimal):
            raise ValueError(f"expected a Decimal, got {value!r}")  # noqa: TRY004 - an unfit value, like any other here
        data: bytes = _sized_decimal(value)
        return data


@lru_cache(maxsize=65_536)
def _sized_decimal(value: Decimal) -> bytes:
    data = decimal_to_bytes(value)
    return encode_long(len(data)) + data


class TimeWriter(Writer):
    """Milliseconds since the epoch."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        ms: int = ms_from_datetime(value) if isinstance(value, datetime) else value
        if _SIX_MIN <= ms < _SIX_END:
            rest = ms << 1
            six: bytes = _six_bytes(
                rest & 0x7F | 0x80,
                rest >> 7 & 0x7F | 0x80,
                rest >> 14 & 0x7F | 0x80,
                rest >> 21 & 0x7F | 0x80,
                rest >> 28 & 0x7F | 0x80,
                rest >> 35,
            )
            return six
        check_ms(ms)
        return _any_long(ms)


class DateWriter(Writer):
    """Days."""

    def write(self, value: Any) -> bytes:  # noqa: D102
        if type(value) is not date:
            raise ValueError(f"expected a date, got {value!r}")
        return encode_long(value.toordinal() - _EPOCH_DAY)


class EnumWriter(Writer):
    """Symbols."""

    def __init__(self, symbols: list[str]) -> None:
        self._indexes = {symbol: encode_long(index) for index, symbol in enumerate(symbols)}

    def write(self, value: Any) -> bytes:  # noqa: D102
        return self._indexes[value]


class ArrayWriter(Writer):
    """Lists."""

    def __init__(self, item: Writer) -> None:
        self._item = item

    def write(self, value: Any) -> bytes:  # noqa: D102
        if not value:
            return b"\x00"
        parts = [encode_long(len(value))]
        for each in value:
            parts.append(self._item.write(each))  # noqa: PERF401 - a loop is what is compiled best
        parts.append(b"\x00")
        return b"".join(parts)


class MapWriter(Writer):
    """Mappings from text to text, true or false, or numbers; entries that are None are left out: they mean nothing."""

    def __init__(self, text: int, truth: int, number: int) -> None:
        self._text, self._truth, self._number = encode_long(text), encode_long(truth), encode_long(number)
        self._texts, self._numbers = StringWriter(), DecimalWriter()

    def write(self, value: Any) -> bytes:  # noqa: D102
        parts = [self._entry(name, each) for name, each in value.items() if each is not None]
        return b"".join([encode_long(len(parts)), *parts, b"\x00"]) if parts else b"\x00"

    def _entry(self, name: Any, value: Any) -> bytes:
        head = self._texts.write(name)
        if isinstance(value, str):
            return head + self._text + self._texts.write(value)
        if isinstance(value, bool):
            return head + self._truth + (b"\x01" if value else b"\x00")
        return head + self._number + self._numbers.write(value)


class Field:
    """A field. `absent` is what a missing value is written as, None where there must be one; `lead` goes before one."""

    def __init__(self, name: str, writer: Writer, absent: bytes | None, lead: bytes) -> None:
        self.name = name
        self.writer = writer
        self.absent = absent
        self.lead = lead

    def write(self, value: Any) -> bytes:
        """Write a value, or what stands for a missing one."""
        if value is None and self.absent is not None:
            return self.absent
        return self.lead + self.writer.write(value)


class RecordWriter(Writer):
    """Mappings; `ValueError` names the field that doesn't fit, and one that the record hasn't."""

    def __init__(self, name: str, fields: list[Field]) -> None:
        self._name = name
        self._fields = fields

    def write(self, value: Any) -> bytes:  # noqa: D102
        values: dict[str, Any] = value if isinstance(value, dict) else _mapping(value)
        parts: list[bytes] = []
        present = 0
        for field in self._fields:
            each = values.get(field.name)
            if each is not None:
                present += 1
            try:
                parts.append(field.write(each))
            except ValueError as error:
                raise ValueError(f"{self._name}.{field.name}: {error}") from None
            except (TypeError, AttributeError, KeyError):
                raise ValueError(f"{self._name}.{field.name}: unfit value {each!r}") from None
        if present != len(values):
            strange = values.keys() - {field.name for field in self._fields}
            if strange:
                raise ValueError(f"{self._name} has no field {min(strange)!r}")
        return b"".join(parts)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError
    return dict(value)


class Run:
    """Fields that stand side by side; with `known`, they have few values and are written once for all alike."""

    def __init__(self, fields: list[Field], *, known: bool) -> None:
        self._fields = fields
        self._known: dict[Any, bytes] | None = {} if known else None

    def write(self, record: Any) -> bytes:
        """Write the attributes of an object."""
        known = self._known
        if known is None:
            return self._join([getattr(record, field.name) for field in self._fields])
        values = tuple([getattr(record, field.name) for field in self._fields])
        found = known.get(values)
        if found is None:
            found = self._join(list(values))
            if len(known) >= _KNOWN_MAX:
                known.clear()
            known[values] = found
        return found

    def _join(self, values: list[Any]) -> bytes:
        parts: list[bytes] = []
        for index, field in enumerate(self._fields):
            parts.append(field.write(values[index]))
        return b"".join(parts)


class StructWriter:
    """Objects that have every field as an attribute; all begin with `prefix`. Raises what `RecordWriter` does."""

    def __init__(self, name: str, runs: list[Run], fields: list[Field], prefix: bytes) -> None:
        self._runs = runs
        self._fields = fields
        self._prefix = prefix
        self._judge = RecordWriter(name, fields)

    def write(self, record: Any) -> bytes:
        """Write one object."""
        data = self._prefix
        try:
            for run in self._runs:
                data += run.write(record)
        except (ValueError, TypeError, AttributeError, KeyError):  # who has the last word names the field
            return self._prefix + self._judge.write({field.name: getattr(record, field.name) for field in self._fields})
        return data
