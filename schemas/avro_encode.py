"""Write records as Avro, by functions composed once per schema.

fastavro's writer takes 88 µs for a receipt of nine lines, because it tries the branches of every union; ours takes
about a fifth, since each field knows its one branch beside null. What it writes is plain Avro: tests read it back with
fastavro. Values are `str`, `int`, `bool`, `Decimal` (rounded half-even to six decimals), aware `datetime` or `int`
milliseconds, `date`, and lists and mappings of these; a missing or None one takes the schema's default.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from schemas.catalogue import default_of, kind_of
from schemas.values import check_ms, decimal_to_bytes, ms_from_datetime

Write = Callable[[Any], bytes]

_SMALL_MAX = 1024
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_LONG_BITS = 63


def compile_encoder(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
    """Compose the writer of a record schema; it raises `ValueError` naming the field that doesn't fit."""
    return _record(schema)


def compile_struct_encoder(
    schema: Mapping[str, Any], repeated: Collection[str] = (), prefix: bytes = b""
) -> Callable[[Any], bytes]:
    """Compose the writer of a record schema for objects that have every field as an attribute; all begin with `prefix`.

    Three times as fast as the other, which writes what this one stumbles over, and so has the last word on it. Fields
    that are `repeated` have few values, and those that stand side by side are written once for all records alike.
    """
    plan = tuple(_field(field) for field in schema["fields"])
    names = tuple(name for name, _, _ in plan)
    values_of = attrgetter(*names)
    judge = _record(schema)
    parts: list[tuple[Callable[[Any], Any], Write]] = []
    for is_repeated, group in groupby(plan, key=lambda field: field[0] in repeated):
        fields = [(name, write if absent is None else _or_absent(write, absent)) for name, write, absent in group]
        if is_repeated and len(fields) > 1:
            known = _Known([write for _, write in fields])
            parts.append((attrgetter(*(name for name, _ in fields)), known.__getitem__))
        elif is_repeated:
            parts.append((attrgetter(fields[0][0]), lru_cache(maxsize=_KNOWN_MAX)(fields[0][1])))
        else:
            parts.extend((attrgetter(name), write) for name, write in fields)
    plan_of_parts = tuple(parts)

    def write(record: Any) -> bytes:
        try:
            data = prefix
            for get, writer in plan_of_parts:
                data += writer(get(record))
        except (ValueError, TypeError, AttributeError, KeyError):
            return prefix + judge(dict(zip(names, values_of(record), strict=True)))
        return data

    return write


class _Known(dict[tuple[Any, ...], bytes]):
    """The bytes of several fields by their values."""

    def __init__(self, writers: Sequence[Write]) -> None:
        super().__init__()
        self._writers = writers

    def __missing__(self, values: tuple[Any, ...]) -> bytes:
        found = b"".join([write(value) for write, value in zip(self._writers, values, strict=True)])
        if len(self) >= _KNOWN_MAX:
            self.clear()
        self[values] = found
        return found


_KNOWN_MAX = 10_000


def _or_absent(write: Write, absent: bytes) -> Write:
    return lambda value: absent if value is None else write(value)


def _record(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
    plan = tuple(_field(field) for field in schema["fields"])
    names = frozenset(name for name, _, _ in plan)
    owner = schema["name"]

    def write(values: Mapping[str, Any]) -> bytes:
        parts = []
        name = ""
        get = values.get
        try:
            for name, writer, absent in plan:
                value = get(name)
                parts.append(absent if value is None and absent is not None else writer(value))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            reason = str(error) if isinstance(error, ValueError) else f"unfit value {values.get(name)!r}"
            raise ValueError(f"{owner}.{name}: {reason}") from None
        if not values.keys() <= names:
            raise ValueError(f"{owner} has no field {min(values.keys() - names)!r}")
        return b"".join(parts)

    return write


def _field(field: Mapping[str, Any]) -> tuple[str, Write, bytes | None]:
    """Name, writer and what an absent value is written as; None where there must be one."""
    kind, inner = kind_of(field["type"])
    write = _writer(kind, inner)
    if isinstance(field["type"], list):
        assert field["type"][0] == "null"
        assert len(field["type"]) == 2  # noqa: PLR2004 - null and one branch, the only unions of fields here
        return field["name"], _after_branch(kind, write), b"\x00"
    default = default_of(kind, field.get("default"))
    return field["name"], write, None if default is None else write(default)


def _writer(kind: str, inner: Any) -> Write:
    if kind == "records":
        return _array(_record(inner["items"]))
    if kind == "record":
        return _record(inner)
    if kind == "map":
        return _map(inner["values"])
    if kind == "enum":
        indexes = {symbol: encode_long(index) for index, symbol in enumerate(inner["symbols"])}
        return lambda value: indexes[value]
    return _PLAIN[kind]


def _after_branch(kind: str, write: Write) -> Write:
    if kind == "decimal":
        return _second_branch_decimal
    return lambda value: b"\x02" + write(value)


def encode_long(value: int) -> bytes:
    """Zigzag and seven bits per byte."""
    if 0 <= value < len(_SMALL):
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


_six_bytes = struct.Struct("6B").pack
_SIX_MIN, _SIX_END = 1 << 34, 1 << 41  # the times that take six bytes: 1970 to 2039
_SMALL = [_any_long(value) for value in range(_SMALL_MAX)]


def _integer(value: Any) -> bytes:
    if type(value) is not int or value.bit_length() > _LONG_BITS:
        raise ValueError(f"expected a whole number of 64 bits, got {value!r}")
    return encode_long(value)


def _string(value: Any) -> bytes:
    data: bytes = value.encode()
    size = len(data)
    return (_SMALL[size] if size < _SMALL_MAX else _any_long(size)) + data


def _bytes(value: Any) -> bytes:
    return encode_long(len(value)) + bytes(value)


def _boolean(value: Any) -> bytes:
    if value is True:
        return b"\x01"
    if value is False:
        return b"\x00"
    raise ValueError(f"expected true or false, got {value!r}")


def _decimal(value: Any) -> bytes:
    if isinstance(value, int) and not isinstance(value, bool):
        value = Decimal(value)
    if not isinstance(value, Decimal):
        raise ValueError(f"expected a Decimal, got {value!r}")  # noqa: TRY004 - an unfit value, like any other here
    return _sized_decimal(value)


@lru_cache(maxsize=65_536)
def _sized_decimal(value: Decimal) -> bytes:
    data = decimal_to_bytes(value)
    return encode_long(len(data)) + data


def _second_branch_decimal(value: Any) -> bytes:
    return b"\x02" + _decimal(value)


def _timestamp(value: Any) -> bytes:
    ms = ms_from_datetime(value) if isinstance(value, datetime) else value
    if _SIX_MIN <= ms < _SIX_END:
        rest = ms << 1
        return _six_bytes(
            rest & 0x7F | 0x80,
            rest >> 7 & 0x7F | 0x80,
            rest >> 14 & 0x7F | 0x80,
            rest >> 21 & 0x7F | 0x80,
            rest >> 28 & 0x7F | 0x80,
            rest >> 35,
        )
    check_ms(ms)
    return _any_long(ms)


def _date(value: Any) -> bytes:
    if type(value) is not date:
        raise ValueError(f"expected a date, got {value!r}")
    return _integer(value.toordinal() - _EPOCH_DAY)


_PLAIN: Mapping[str, Write] = {
    "string": _string,
    "bytes": _bytes,
    "boolean": _boolean,
    "integer": _integer,
    "decimal": _decimal,
    "timestamp": _timestamp,
    "date": _date,
}


def _array(write: Callable[[Mapping[str, Any]], bytes]) -> Write:
    def write_array(values: Any) -> bytes:
        if not values:
            return b"\x00"
        return b"".join((encode_long(len(values)), *map(write, values), b"\x00"))

    return write_array


def _map(branches: list[Any]) -> Write:
    """A map to text, true or false, or numbers; entries that are None are left out, they mean nothing."""
    kinds = [kind_of(branch)[0] for branch in branches]
    text, truth, number = (encode_long(kinds.index(kind)) for kind in ("string", "boolean", "decimal"))

    def write_value(value: Any) -> bytes:
        if isinstance(value, str):
            return text + _string(value)
        if isinstance(value, bool):
            return truth + _boolean(value)
        return number + _decimal(value)

    def write_map(values: Any) -> bytes:
        entries = [_string(name) + write_value(value) for name, value in values.items() if value is not None]
        return b"".join((encode_long(len(entries)), *entries, b"\x00")) if entries else b"\x00"

    return write_map
