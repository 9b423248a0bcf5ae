"""Read Avro record by record, by objects composed once per writer schema: compiled, 2 µs for a receipt of nine lines.

Values come out in the form of `schemas.values`. What isn't asked for is passed over, but proved to decode all the same:
it makes no difference to whether a record is good who looks at it. Lengths may not be negative, a varint has at most 64
bits, a nullable field's branch is null for 0 and the other for anything else, false is 0.

Uncompiled, integers have no end: what would wrap in machine code is checked before it can.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from mypy_extensions import i64

from schemas.values import MS_MAX, MS_MIN, check_ms, decimal_from_bytes

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_CONTINUED: Final = 0x80
_CERTAIN_BYTES: Final = 7
"""A number of so many bytes is never too large for decimal(18, 6)."""


class UndecodableError(ValueError):
    """A payload isn't what its schema says; the message says why."""


class UnfitError(ValueError):
    """A value that its bytes can say and we can't hold; the message says what was expected."""


def read_long(data: bytes, at: i64) -> tuple[i64, i64]:
    """Read an integer; it, and the position after it."""
    byte: i64 = data[at]
    at += 1
    if byte < _CONTINUED:
        return (byte >> 1) ^ -(byte & 1), at
    value: i64 = byte & 0x7F
    shift: i64 = 7
    while shift < 63:  # noqa: PLR2004 - nine groups of seven bits, the tenth byte has one
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < _CONTINUED:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
    byte = data[at]
    if byte > 1:
        raise ValueError("an integer of more than 64 bits")
    value |= byte << 63
    return ((value >> 1) & 0x7FFF_FFFF_FFFF_FFFF) ^ -(value & 1), at + 1


def _span(data: bytes, at: i64) -> tuple[i64, i64]:
    """Read a length; where its bytes begin and end."""
    size: i64 = data[at]
    if size < _CONTINUED and not size & 1:
        at += 1
        size >>= 1
    else:
        size, at = read_long(data, at)
        if size < 0:
            raise ValueError("a length below 0")
    if size > len(data) - at:
        raise IndexError
    return at, at + size


class Reader:
    """Reads values of one type. Both raise `ValueError` or `IndexError`."""

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:
        """Read a value at a position; it, and the position after it."""
        raise NotImplementedError

    def skip(self, data: bytes, at: i64) -> i64:
        """Prove that a value could be read; the position after it."""
        raise NotImplementedError


class StringReader(Reader):
    """Text."""

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102 - the base class says it, here and below
        start, end = _span(data, at)
        return data[start:end].decode("utf-8"), end

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        start, end = _span(data, at)
        data[start:end].decode("utf-8")
        return end


class BytesReader(Reader):
    """Bytes as they are."""

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        start, end = _span(data, at)
        return data[start:end], end

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, end = _span(data, at)
        return end


class BooleanReader(Reader):
    """True or false."""

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        return data[at] != 0, at + 1

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _ = data[at]
        return at + 1


class IntegerReader(Reader):
    """Whole numbers of 64 bits, or of 32."""

    def __init__(self, *, is_int: bool) -> None:
        self._low: i64 = -(2**31) if is_int else -(2**63)
        self._high: i64 = 2**31 - 1 if is_int else 2**63 - 1

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        value, at = self.checked(data, at)
        return value, at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self.checked(data, at)
        return at

    def checked(self, data: bytes, at: i64) -> tuple[i64, i64]:
        """Read one that is no larger than it may be."""
        value, at = read_long(data, at)
        if not self._low <= value <= self._high:
            raise ValueError("an integer of more than 32 bits")
        return value, at


class TimeReader(Reader):
    """Milliseconds since the epoch, or aware `datetime`, in the years 1 to 9999."""

    def __init__(self, *, as_datetime: bool) -> None:
        self._as_datetime = as_datetime
        self._low: i64 = MS_MIN
        self._high: i64 = MS_MAX

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        ms, at = self._checked(data, at)
        if self._as_datetime:
            return _EPOCH + timedelta(milliseconds=int(ms)), at
        return ms, at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self._checked(data, at)
        return at

    def _checked(self, data: bytes, at: i64) -> tuple[i64, i64]:
        ms, at = read_long(data, at)
        if not self._low <= ms <= self._high:
            try:
                check_ms(ms)
            except ValueError as error:
                raise UnfitError(str(error)) from None
        return ms, at


class DateReader(Reader):
    """Days."""

    def __init__(self) -> None:
        self._days = IntegerReader(is_int=True)

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        days, at = self._days.checked(data, at)
        try:
            return date.fromordinal(int(days) + _EPOCH_DAY), at
        except (ValueError, OverflowError):
            raise UnfitError("a date in the years 1 to 9999") from None

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self.read(data, at)
        return at


class DecimalReader(Reader):
    """Numbers, `Decimal`."""

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        start, end = _span(data, at)
        try:
            return decimal_from_bytes(data[start:end]), end
        except ValueError as error:
            raise UnfitError(str(error)) from None

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        start, end = _span(data, at)
        if end - start > _CERTAIN_BYTES:
            self.read(data, at)
        return end


class EnumReader(Reader):
    """Symbols, as text."""

    def __init__(self, symbols: list[str]) -> None:
        self._symbols = symbols

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        index, at = read_long(data, at)
        if not 0 <= index < len(self._symbols):
            raise ValueError("a symbol that its enum doesn't have")
        return self._symbols[index], at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self.read(data, at)
        return at


class UnionReader(Reader):
    """One of several types; None stands for null among them."""

    def __init__(self, branches: list[Reader | None]) -> None:
        self._branches = branches

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        branch, at = read_long(data, at)
        if not 0 <= branch < len(self._branches):
            raise ValueError("a branch that its union doesn't have")
        reader = self._branches[branch]
        if reader is None:
            return None, at
        return reader.read(data, at)

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self.read(data, at)
        return at


class ArrayReader(Reader):
    """Lists."""

    def __init__(self, item: Reader) -> None:
        self._item = item

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        items: list[Any] = []
        count, at = _count(data, at)
        while count > 0:
            while count > 0:
                item, at = self._item.read(data, at)
                items.append(item)
                count -= 1
            count, at = _count(data, at)
        return items, at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        count, at = _count(data, at)
        while count > 0:
            while count > 0:
                at = self._item.skip(data, at)
                count -= 1
            count, at = _count(data, at)
        return at


class MapReader(Reader):
    """Mappings from text; an entry that is null isn't there."""

    def __init__(self, value: Reader) -> None:
        self._value = value
        self._name = StringReader()

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        entries: dict[str, Any] = {}
        count, at = _count(data, at)
        while count > 0:
            while count > 0:
                name, at = self._name.read(data, at)
                value, at = self._value.read(data, at)
                entries[name] = value
                count -= 1
            count, at = _count(data, at)
        return {name: value for name, value in entries.items() if value is not None}, at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        _, at = self.read(data, at)
        return at


def _count(data: bytes, at: i64) -> tuple[i64, i64]:
    """Read how many items follow; a count below 0 is followed by the block's size, which isn't needed."""
    count, at = read_long(data, at)
    if count < 0:
        _, at = read_long(data, at)
        count = -count
    if not 0 <= count <= len(data):  # in machine code, the least integer has no counterpart
        raise ValueError("more items than bytes")
    return count, at


class Field:
    """A field as it is written. `default` stands for a null, None for a missing value; `wanted`: its value is read."""

    def __init__(self, name: str, reader: Reader, default: Any, *, nullable: bool, wanted: bool) -> None:
        self.name = name
        self.reader = reader
        self.default = default
        self.nullable = nullable
        self.wanted = wanted


class RecordReader(Reader):
    """Mappings of the fields that are wanted. Missing values are left out.

    `order`: the names as they are to come out, where that isn't as they are written. `absent`: values of those that
    aren't written.
    """

    def __init__(self, fields: list[Field], order: list[str] | None, absent: dict[str, Any]) -> None:
        self._fields = fields
        self._order = order
        self._absent = absent

    def read(self, data: bytes, at: i64) -> tuple[Any, i64]:  # noqa: D102
        found: dict[str, Any] = {}
        for field in self._fields:
            try:
                if field.nullable:
                    is_null, at = _null(data, at)
                    if is_null:
                        if field.wanted and field.default is not None:
                            found[field.name] = field.default
                        continue
                if field.wanted:
                    value, at = field.reader.read(data, at)
                    found[field.name] = value
                else:
                    at = field.reader.skip(data, at)
            except (UnfitError, UndecodableError) as error:
                raise _within(field.name, error) from None
        if self._order is not None:
            found |= self._absent
            found = {name: found[name] for name in self._order if name in found}
        return found, at

    def skip(self, data: bytes, at: i64) -> i64:  # noqa: D102
        for field in self._fields:
            try:
                if field.nullable:
                    is_null, at = _null(data, at)
                    if is_null:
                        continue
                at = field.reader.skip(data, at)
            except (UnfitError, UndecodableError) as error:
                raise _within(field.name, error) from None
        return at

    def decode(self, data: bytes, start: int) -> dict[str, Any]:
        """Read the record that goes from a position to the end of the data. Raises `UndecodableError`."""
        try:
            row, end = self.read(data, start)
        except UndecodableError:
            raise
        except (ValueError, IndexError) as error:
            raise UndecodableError(_reason(error)) from None
        if end != len(data):
            raise UndecodableError(f"{len(data) - end} bytes follow the record")
        found: dict[str, Any] = row
        return found


def _null(data: bytes, at: i64) -> tuple[bool, i64]:
    """Tell whether a nullable value is null, and where it goes on."""
    branch: i64 = data[at]
    if branch < _CONTINUED:
        return branch == 0, at + 1
    branch, at = read_long(data, at)
    return branch == 0, at


def _within(name: str, error: Exception) -> UndecodableError:
    return UndecodableError(f"{name}: expected {error}" if isinstance(error, UnfitError) else f"{name}.{error}")


def _reason(error: Exception) -> str:
    if isinstance(error, IndexError):
        return "it ends before the record does, or its schema is another"
    if isinstance(error, UnicodeDecodeError):
        return "not Avro of its schema: a text that is no UTF-8"
    return f"not Avro of its schema: {error}"
