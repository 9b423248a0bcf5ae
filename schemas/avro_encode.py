"""Compose what writes a schema's records (`schemas.wire.write`)."""

from collections.abc import Callable, Collection, Mapping
from itertools import groupby
from typing import Any

from schemas.catalogue import default_of, kind_of
from schemas.wire.write import (
    ArrayWriter,
    BooleanWriter,
    BytesWriter,
    DateWriter,
    DecimalWriter,
    EnumWriter,
    Field,
    IntegerWriter,
    MapWriter,
    RecordWriter,
    Run,
    StringWriter,
    StructWriter,
    TimeWriter,
    Writer,
)


def compile_encoder(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], bytes]:
    """Compose the writer of a record schema; it raises `ValueError` naming the field that doesn't fit."""
    return _record(schema).write


def compile_struct_encoder(
    schema: Mapping[str, Any], repeated: Collection[str] = (), prefix: bytes = b""
) -> Callable[[Any], bytes]:
    """Compose the writer of a record schema for objects that have every field as an attribute; all begin with `prefix`.

    Fields that are `repeated` have few values, and those that stand side by side are written once for all records
    alike.
    """
    fields = [_field(field) for field in schema["fields"]]
    runs = [
        Run(list(group), known=is_repeated)
        for is_repeated, group in groupby(fields, key=lambda field: field.name in repeated)
    ]
    return StructWriter(schema["name"], runs, fields, prefix).write


def _record(schema: Mapping[str, Any]) -> RecordWriter:
    return RecordWriter(schema["name"], [_field(field) for field in schema["fields"]])


def _field(field: Mapping[str, Any]) -> Field:
    kind, inner = kind_of(field["type"])
    writer = _writer(kind, inner)
    if isinstance(field["type"], list):
        assert field["type"][0] == "null"
        assert len(field["type"]) == 2  # noqa: PLR2004 - null and one branch, the only unions of fields here
        return Field(field["name"], writer, b"\x00", b"\x02")
    default = default_of(kind, field.get("default"))
    return Field(field["name"], writer, None if default is None else writer.write(default), b"")


def _writer(kind: str, inner: Any) -> Writer:
    if kind == "records":
        return ArrayWriter(_record(inner["items"]))
    if kind == "record":
        return _record(inner)
    if kind == "map":
        kinds = [kind_of(branch)[0] for branch in inner["values"]]
        return MapWriter(*(kinds.index(each) for each in ("string", "boolean", "decimal")))
    if kind == "enum":
        return EnumWriter(list(inner["symbols"]))
    return _PLAIN[kind]()


_PLAIN: Mapping[str, Callable[[], Writer]] = {
    "string": StringWriter,
    "bytes": BytesWriter,
    "integer": IntegerWriter,
    "boolean": BooleanWriter,
    "decimal": DecimalWriter,
    "timestamp": TimeWriter,
    "date": DateWriter,
}
