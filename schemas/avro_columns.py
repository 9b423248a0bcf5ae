"""Read many Avro payloads of one writer schema at once, in columns: 15 µs for a receipt of nine lines instead of 70.

The payloads are wrapped as one Avro container and read by polars-avro. It vouches for a batch or declines it: whatever
is odd (bytes missing, bytes left over, text that is no UTF-8, a number too large) makes `read` answer None, and
`avro_decode` judges each payload by itself. So a bad record costs its batch time and nothing else. Three precautions,
each against something that was seen:

- Every payload is followed by eight bytes of its own, unpredictable ones, which the schema ends with: a payload that is
  too short or too long shifts what follows, and without them the next records would be read from the wrong bytes.
- Exactly one batch is taken from the reader, of exactly as many rows as there are payloads. With bytes left over in a
  block, the next one would be looked for for ever, inside the library.
- The reader raises what it likes on odd bytes, and panics (a `BaseException`) on schemas that polars has no type for:
  every exception declines the batch, and such schemas are declined when composed.
"""

import io
import json
import os
import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl
from polars_avro._avro_rs import AvroSource
from polars_avro._source import seekable_factory

from schemas.avro_decode import FieldPlan, needs_resolution, wire_form
from schemas.avro_encode import encode_long
from schemas.values import MS_MAX, MS_MIN, decimal_from_bytes


class Column(NamedTuple):
    """Values of one field, None for a missing one; whether some, or all, are missing."""

    values: list[Any]
    some_missing: bool
    all_missing: bool


Columns = dict[str, Column]

PAYLOADS_MIN = 40
"""Of fewer payloads, reading them one by one is faster than the fixed cost of a third of a millisecond."""

_END = "_end"
_END_BYTES = struct.Struct(">II")
_SYNC = bytes(16)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_MIN = (date.min - date(1970, 1, 1)).days
_DAYS_MAX = (date.max - date(1970, 1, 1)).days


class _DeclineError(Exception):
    """Not for this reader."""


class ColumnReader:
    """Reads payloads of one writer schema into columns of our fields."""

    def __init__(self, writer: Mapping[str, Any], plans: Sequence[FieldPlan]) -> None:
        self._plans = tuple(plans)
        self._absent = {plan.name for plan in plans} - {field["name"] for field in writer["fields"]}
        raw = _without_logical_types(writer)
        raw["fields"] = [*raw["fields"], {"name": _END, "type": {"type": "fixed", "name": "End_", "size": 8}}]
        schema = json.dumps(raw).encode()
        self._head = b"".join(
            (
                b"Obj\x01\x04",
                *(_sized(part) for part in (b"avro.codec", b"null", b"avro.schema", schema)),
                b"\x00",
                _SYNC,
            )
        )

    def read(self, payloads: Sequence[bytes], wanted: Collection[str] | None = None) -> Columns | None:
        """All fields in canonical values, None for a missing one; or None for a batch that has something odd.

        With `wanted`, only those fields; the others are checked all the same.
        """
        try:
            frame = self._frame(payloads)
            found: Columns = {}
            for plan in self._plans:
                if plan.name in self._absent:
                    found[plan.name] = _same(plan.default, len(payloads))
                elif wanted is None or plan.name in wanted:
                    found[plan.name] = _column(frame, plan)
                else:
                    _check(frame.get_column(plan.name), plan)
        except Exception:  # noqa: BLE001 - whatever the bytes lead the reader into, the row decoder will name it
            return None
        except BaseException as error:
            if type(error).__name__ == "PanicException":  # of the library's own; it isn't exported
                return None
            raise
        return found

    def _frame(self, payloads: Sequence[bytes]) -> pl.DataFrame:
        salt = int.from_bytes(os.urandom(4), "big")
        ends = [_END_BYTES.pack(salt, index) for index in range(len(payloads))]
        body = b"".join(part for pair in zip(payloads, ends, strict=True) for part in pair)
        container = b"".join((self._head, encode_long(len(payloads)), _sized(body), _SYNC))
        source = AvroSource([seekable_factory(io.BytesIO(container))], False, False)
        frame = pl.DataFrame(next(iter(source.batch_iter(len(payloads), None))))
        if frame.get_column(_END).to_list() != ends:
            raise _DeclineError
        return frame


def compile_column_reader(
    writer: Mapping[str, Any], reader: Mapping[str, Any], plans: Sequence[FieldPlan]
) -> ColumnReader | None:
    """Compose the reader of a writer schema, or None if its records must be read one by one.

    What must be resolved must, and polars has no type for a map of several kinds of values.
    """
    if needs_resolution(writer, reader) or any(plan.kind == "map" for plan in plans):
        return None
    return ColumnReader(writer, plans)


def _without_logical_types(avro: Any) -> Any:
    """Read numbers as bytes and times as integers: polars makes Python values of them ten times slower than we do."""
    form = wire_form(avro)

    def strip(each: Any) -> Any:
        if isinstance(each, dict):
            return {
                key: strip(value) for key, value in each.items() if key not in {"logicalType", "precision", "scale"}
            }
        return [strip(part) for part in each] if isinstance(each, list) else each

    return strip(form)


def _sized(data: bytes) -> bytes:
    return encode_long(len(data)) + data


def _column(frame: pl.DataFrame, plan: FieldPlan) -> Column:
    series = frame.get_column(plan.name)
    nulls = series.null_count()
    if nulls == len(series):
        return _same(plan.default, nulls)
    values = _READERS[plan.kind](series, plan)
    if nulls and plan.default is not None:
        return Column([plan.default if value is None else value for value in values], False, False)
    return Column(values, nulls > 0, False)


def _same(value: Any, count: int) -> Column:
    return Column([value] * count, value is None, value is None)


def _as_it_is(series: pl.Series, _plan: FieldPlan) -> list[Any]:
    return series.to_list()


def _enums(series: pl.Series, _plan: FieldPlan) -> list[Any]:
    return series.cast(pl.String).to_list()


def _decimals(series: pl.Series, _plan: FieldPlan) -> list[Any]:
    values = series.to_list()
    return list(map(_DECIMALS.__getitem__, values))


class _Decimals(dict[bytes | None, Decimal | None]):
    """Numbers by their bytes: most were seen before. Raises `ValueError` for one too large."""

    def __missing__(self, data: bytes) -> Decimal | None:
        value = decimal_from_bytes(data)
        if len(self) >= _DECIMALS_MAX:
            self.clear()
            self[None] = None
        self[data] = value
        return value


_DECIMALS_MAX = 200_000
_DECIMALS = _Decimals({None: None})


def _times(series: pl.Series, plan: FieldPlan) -> list[Any]:
    _check_range(series, MS_MIN, MS_MAX)
    values = series.to_list()
    if not plan.as_datetime:
        return values
    return [None if ms is None else _EPOCH + timedelta(milliseconds=ms) for ms in values]


def _dates(series: pl.Series, _plan: FieldPlan) -> list[Any]:
    _check_range(series, _DAYS_MIN, _DAYS_MAX)
    return series.cast(pl.Date).to_list()


def _check_range(series: pl.Series, low: int, high: int) -> None:
    least, most = series.min(), series.max()
    if not (isinstance(least, int) and isinstance(most, int) and low <= least and most <= high):
        raise _DeclineError


def _record_rows(series: pl.Series, plan: FieldPlan) -> list[Any]:
    frame = series.struct.unnest()
    rows: list[Any] = rows_of({each.name: _column(frame, each) for each in plan.fields}, len(frame))
    if series.null_count():
        return [None if null else row for null, row in zip(series.is_null().to_list(), rows, strict=True)]
    return rows


def _arrays(series: pl.Series, plan: FieldPlan) -> list[Any]:
    lengths = series.list.len().to_list()
    frame = _flat(series)
    rows = rows_of({each.name: _column(frame, each) for each in plan.fields}, len(frame))
    found: list[Any] = []
    start = 0
    for length in lengths:
        if length is None:
            found.append(None)
        else:
            found.append(rows[start : start + length])
            start += length
    return found


_READERS: Mapping[str, Callable[[pl.Series, FieldPlan], list[Any]]] = {
    "string": _as_it_is,
    "boolean": _as_it_is,
    "integer": _as_it_is,
    "bytes": _as_it_is,
    "enum": _enums,
    "decimal": _decimals,
    "timestamp": _times,
    "date": _dates,
    "record": _record_rows,
    "records": _arrays,
}


def _check(series: pl.Series, plan: FieldPlan) -> None:
    """Make sure that the values could be made, without making them."""
    if series.null_count() == len(series):
        return
    if plan.kind in {"records", "record"}:
        frame = _flat(series) if plan.kind == "records" else series.struct.unnest()
        for each in plan.fields:
            _check(frame.get_column(each.name), each)
    elif plan.kind == "decimal":
        size = series.bin.size().max()
        if not (isinstance(size, int) and size <= _CERTAIN_BYTES):
            _decimals(series, plan)
    elif plan.kind == "timestamp":
        _check_range(series, MS_MIN, MS_MAX)
    elif plan.kind == "date":
        _check_range(series, _DAYS_MIN, _DAYS_MAX)


_CERTAIN_BYTES = 7
"""Numbers of so many bytes are never too large for decimal(18, 6)."""


def _flat(series: pl.Series) -> pl.DataFrame:
    """Line up the records of all lists."""
    return series.filter(series.list.len() > 0).explode(empty_as_null=False).struct.unnest()


def rows_of(columns: Columns, count: int) -> list[dict[str, Any]]:
    """Make one mapping per row, without what is missing in it."""
    used = {name: column for name, column in columns.items() if not column.all_missing}
    if not used:
        return [{} for _ in range(count)]
    names = tuple(used)
    rows = zip(*(column.values for column in used.values()), strict=True)
    if any(column.some_missing for column in used.values()):
        return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows]
    return [dict(zip(names, row, strict=True)) for row in rows]
