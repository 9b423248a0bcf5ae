"""Compose what reads a writer schema's records, strictly.

Two ways. A writer schema whose fields are written as ours are (the current one, an older one that lacks fields, a newer
one that has more) is read by `schemas.wire.read`. Every other schema (a number with another scale, an integer where we
have a long, a symbol that is new) is resolved by fastavro, always.

Either way, values come out in the form of `schemas.values`, or the payload is refused with the reason.
"""

import io
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import fastavro

from schemas.catalogue import default_of, kind_of
from schemas.declarations import EVENTS_NAMESPACE
from schemas.values import check_ms, datetime_from_ms, decimal_from_bytes, exact, ms_from_datetime
from schemas.wire.read import (
    ArrayReader,
    BooleanReader,
    BytesReader,
    DateReader,
    DecimalReader,
    EnumReader,
    Field,
    IntegerReader,
    MapReader,
    Reader,
    RecordReader,
    StringReader,
    TimeReader,
    UndecodableError,
    UnionReader,
)

Convert = Callable[[Any], Any]
Decode = Callable[[bytes, int], dict[str, Any]]
"""Reads the record that goes from a position to the end of the data. Raises `UndecodableError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """How one field of our schema is read. `default` stands for an absent or null one, None for a missing one."""

    name: str
    kind: str
    default: Any
    as_datetime: bool
    fields: Sequence["FieldPlan"] = ()


def plan_fields(schema: Mapping[str, Any], *, is_event: bool | None = None) -> tuple[FieldPlan, ...]:
    """Plan the reading of a record. Times of an event's body become `datetime`, all others stay milliseconds."""
    plans = []
    if is_event is None:
        is_event = schema["namespace"] == EVENTS_NAMESPACE
    for field in schema["fields"]:
        kind, inner = kind_of(field["type"])
        nested = inner["items"] if kind == "records" else inner
        plans.append(
            FieldPlan(
                name=field["name"],
                kind=kind,
                default=default_of(kind, field.get("default")),
                as_datetime=kind == "timestamp" and is_event and field["name"] != "occurred_at",
                fields=plan_fields(nested, is_event=is_event) if kind in {"records", "record"} else (),
            )
        )
    return tuple(plans)


def wire_form(schema: Any) -> Any:
    """Reduce a schema to what decides about bytes and their meaning: no docs, no defaults, no aliases."""
    if isinstance(schema, Mapping):
        return {key: wire_form(value) for key, value in schema.items() if key in _WIRE_KEYS}
    if isinstance(schema, list):
        return [wire_form(each) for each in schema]
    return schema


_WIRE_KEYS = frozenset(
    {"type", "name", "namespace", "fields", "items", "values", "symbols", "size", "logicalType", "precision", "scale"}
)


def needs_resolution(writer: Mapping[str, Any], reader: Mapping[str, Any]) -> bool:
    """Tell whether a field is written otherwise than we read it, or lacks and has no default."""
    written = {field["name"]: wire_form(field["type"]) for field in writer["fields"]}
    ours = {field["name"] for field in reader["fields"]}
    for field in reader["fields"]:
        if field["name"] not in written:
            if "default" not in field:
                return True
        elif written[field["name"]] != wire_form(field["type"]):
            return True
    return any(not _plain(field["type"]) for field in writer["fields"] if field["name"] not in ours)


def _plain(avro: Any) -> bool:
    """Tell whether a field that we don't know can be passed over by the composed functions."""
    if isinstance(avro, list):
        return len(avro) == 2 and avro[0] == "null" and isinstance(avro[1], str) and _plain(avro[1])  # noqa: PLR2004
    name = avro.get("type") if isinstance(avro, Mapping) else avro
    return isinstance(name, str) and name in {"string", "boolean", "int", "long", "bytes"}


def compile_decoder(
    writer: Mapping[str, Any],
    reader: Mapping[str, Any],
    plans: Sequence[FieldPlan],
    wanted: Collection[str] | None = None,
) -> Decode:
    """Compose the reader of a writer schema; null and absent fields are left out, or their default.

    With `wanted`, only those fields need come; the others are proved to decode all the same.
    """
    if needs_resolution(writer, reader):
        return _resolving(writer, reader, plans)
    return _record_reader(writer, plans, wanted).decode


def _record_reader(
    writer: Mapping[str, Any], plans: Sequence[FieldPlan], wanted: Collection[str] | None = None
) -> RecordReader:
    ours = {plan.name: plan for plan in plans}
    order = [name for name in ours if wanted is None or name in wanted]
    fields = [_field(each, ours.get(each["name"]), is_wanted=each["name"] in order) for each in writer["fields"]]
    written = [field.name for field in fields if field.wanted]
    defaults = {name: ours[name].default for name in order if name not in written}
    absent = {name: default for name, default in defaults.items() if default is not None}
    return RecordReader(fields, None if written == order else order, absent)


def _field(field: Mapping[str, Any], plan: FieldPlan | None, *, is_wanted: bool) -> Field:
    is_nullable = isinstance(field["type"], list)
    avro = field["type"][1] if is_nullable else field["type"]
    reader = _plain_reader(_type_name(avro), avro) if plan is None else _reader(plan, avro)
    default = None if plan is None else plan.default
    return Field(field["name"], reader, default, nullable=is_nullable, wanted=is_wanted)


def _reader(plan: FieldPlan, avro: Any) -> Reader:
    """Compose the reader of a field of ours, without the null of its union."""
    if plan.kind == "records":
        return ArrayReader(_record_reader(avro["items"], plan.fields))
    if plan.kind == "record":
        return _record_reader(avro, plan.fields)
    if plan.kind == "timestamp":
        return TimeReader(as_datetime=plan.as_datetime)
    return _plain_reader(plan.kind, avro)


def _plain_reader(kind: str, avro: Any) -> Reader:
    if kind == "map":
        values = [None if each == "null" else _plain_reader(*kind_of(each)) for each in avro["values"]]
        return MapReader(UnionReader(values))
    if kind in {"integer", "int", "long"}:
        return IntegerReader(is_int=_type_name(avro) == "int")
    if kind == "enum":
        return EnumReader(list(avro["symbols"]))
    return _PLAIN_READERS[kind]()


_PLAIN_READERS: Mapping[str, Callable[[], Reader]] = {
    "string": StringReader,
    "bytes": BytesReader,
    "boolean": BooleanReader,
    "decimal": DecimalReader,
    "date": DateReader,
}


def _type_name(avro: Any) -> Any:
    return avro["type"] if isinstance(avro, Mapping) else avro


def _resolving(writer: Mapping[str, Any], reader: Mapping[str, Any], plans: Sequence[FieldPlan]) -> Decode:
    # Names are local to a schema: each is parsed with its own register.
    written = fastavro.parse_schema(json.loads(json.dumps(writer)), named_schemas={})
    _check_bounds(written)
    ours = fastavro.parse_schema(json.loads(json.dumps(reader)), named_schemas={})
    convert = _record(plans)

    def decode(data: bytes, start: int) -> dict[str, Any]:
        stream = io.BytesIO(data)
        stream.seek(start)
        try:
            row = fastavro.schemaless_reader(stream, written, ours)
        except Exception as error:  # noqa: BLE001 - odd bytes lead to odd errors
            raise UndecodableError(_reason(error)) from None
        if stream.tell() != len(data):
            raise UndecodableError(f"{len(data) - stream.tell()} bytes follow the record")
        converted: dict[str, Any] = convert(row)
        return converted

    return decode


_LEAST_BYTES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}


def _check_bounds(written: Any) -> None:
    """Raise `ValueError` for a schema by which a few bytes can say without end: fastavro would follow them.

    One that holds itself nests as deep as there are bytes, which ends the process; what takes no bytes can stand in an
    array as often as a number can say, or double from record to record.
    """
    names: dict[str, int | None] = {written["name"]: None}
    for field in written["fields"]:
        _least_bytes(field["type"], names)


def _least_bytes(avro: Any, names: dict[str, int | None]) -> int:
    """Tell how many bytes a value takes at least. `names` has the types met so far; None: it is being looked at."""
    if isinstance(avro, list):
        for each in avro:
            _least_bytes(each, names)
        return 1
    kind = _type_name(avro)
    if isinstance(kind, Mapping | list):
        return _least_bytes(kind, names)
    if kind == "array" and _least_bytes(avro["items"], names) == 0:
        raise ValueError("an array of what takes no bytes")
    if kind == "map":
        _least_bytes(avro["values"], names)
    if kind in {"array", "map"}:
        return 1
    if kind in {"record", "error"}:
        names[avro["name"]] = None
        least = sum(_least_bytes(field["type"], names) for field in avro["fields"])
    elif kind in {"enum", "fixed"}:
        least = avro.get("size", 1)
    else:
        known = _LEAST_BYTES.get(kind, names.get(kind))
        if known is None:
            raise ValueError(f"{kind} holds itself")
        return known
    if least == 0:
        raise ValueError(f"{avro['name']} takes no bytes")
    names[avro["name"]] = least
    return least


def _reason(error: Exception) -> str:
    if isinstance(error, EOFError | IndexError):
        return "it ends before the record does, or its schema is another"
    if isinstance(error, OverflowError):
        return "it has a time outside the years 1 to 9999"
    return f"not Avro of its schema: {error}" if str(error) else f"not Avro of its schema: {type(error).__name__}"


def _record(plans: Sequence[FieldPlan]) -> Convert:
    steps = [(plan.name, _converter(plan), plan.default) for plan in plans]

    def convert(row: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name, convert_field, default in steps:
            value = row.get(name)
            if value is None:
                if default is not None:
                    found[name] = default
                continue
            try:
                found[name] = convert_field(value) if convert_field else value
            except UndecodableError as error:
                raise UndecodableError(f"{name}.{error}") from None
            except (ValueError, OverflowError, TypeError) as error:
                raise UndecodableError(f"{name}: expected {error}") from None
        return found

    return convert


def _converter(plan: FieldPlan) -> Convert | None:
    if plan.kind == "records":
        each = _record(plan.fields)
        return lambda rows: [each(row) for row in rows]
    if plan.kind == "record":
        return _record(plan.fields)
    if plan.kind == "timestamp":
        return _datetime if plan.as_datetime else _ms
    return _CONVERTERS.get(plan.kind)


# fastavro gives values of Python, but for defaults and types that it doesn't know as ours: those come raw.


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bytes):
        return decimal_from_bytes(value)
    # A default of bytes comes from fastavro as it stands in the schema, as text.
    return decimal_from_bytes(value.encode("latin-1")) if isinstance(value, str) else exact(value)


def _ms(value: Any) -> int:
    ms: int = ms_from_datetime(value) if isinstance(value, datetime) else value
    check_ms(ms)
    return ms


def _datetime(value: Any) -> datetime:
    return datetime_from_ms(_ms(value))


def _date(value: Any) -> date:
    return value if isinstance(value, date) else date.fromordinal(value + _EPOCH_DAY)


_EPOCH_DAY = date(1970, 1, 1).toordinal()


def _map(value: Any) -> dict[str, Any]:
    return {name: _attribute(each) for name, each in value.items() if each is not None}


def _attribute(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    return decimal_from_bytes(value) if isinstance(value, bytes) else exact(Decimal(value))


_CONVERTERS: Mapping[str, Convert] = {"decimal": _decimal, "date": _date, "map": _map}
