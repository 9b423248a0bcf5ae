"""Can records of one schema be read with another? Avro's rules of resolution, a little stricter.

The registry checks the same when a schema is registered (FULL_TRANSITIVE: every version reads every other); this finds
it on a developer's machine, without a registry, against the committed history. Stricter in two things that Avro lets
pass and that would change what a number means: logical types must be equal, and so must the scale of a decimal.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_PROMOTIONS = {
    "int": {"int", "long", "float", "double"},
    "long": {"long", "float", "double"},
    "float": {"float", "double"},
    "string": {"string", "bytes"},
    "bytes": {"bytes", "string"},
}
_LOGICAL = ("logicalType", "precision", "scale")


def fully_compatible(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say what keeps either schema from reading what the other wrote; nothing if each can."""
    return [*unreadable(one, other), *unreadable(other, one)]


def unreadable(reader: Any, writer: Any, path: str = "") -> list[str]:
    """Say what keeps `reader` from reading what `writer` wrote, each with the path of the field."""
    return [*_problems(reader, writer, path or _name(reader))]


def _problems(reader: Any, writer: Any, path: str) -> Iterator[str]:
    if isinstance(writer, list):
        for branch in writer:
            yield from _problems(reader, branch, path)
    elif isinstance(reader, list):
        if not any(not unreadable(branch, writer, path) for branch in reader):
            yield f"{path}: no branch reads {_name(writer)}"
    elif _kind(reader) not in _PROMOTIONS.get(_kind(writer), {_kind(writer)}):
        yield f"{path}: {_name(reader)} doesn't read {_name(writer)}"
    elif _logical(reader) != _logical(writer):
        yield f"{path}: {_logical(reader) or 'a plain value'} isn't {_logical(writer) or 'a plain value'}"
    elif _kind(reader) == "record":
        yield from _record_problems(reader, writer, path)
    elif _kind(reader) == "enum":
        unknown = set(writer["symbols"]) - set(reader["symbols"])
        if unknown and "default" not in reader:
            yield f"{path}: symbols {sorted(unknown)} are unknown, and there is no default"
    elif _kind(reader) == "array":
        yield from _problems(reader["items"], writer["items"], f"{path}[]")
    elif _kind(reader) == "map":
        yield from _problems(reader["values"], writer["values"], f"{path}{{}}")
    elif _kind(reader) == "fixed" and reader["size"] != writer["size"]:
        yield f"{path}: another size"


def _record_problems(reader: Mapping[str, Any], writer: Mapping[str, Any], path: str) -> Iterator[str]:
    if reader["name"] != writer["name"] and writer["name"] not in reader.get("aliases", ()):
        yield f"{path}: {reader['name']} isn't {writer['name']}"
    written = {field["name"]: field for field in writer["fields"]}
    for field in reader["fields"]:
        source = next((written[name] for name in (field["name"], *field.get("aliases", ())) if name in written), None)
        if source is not None:
            yield from _problems(field["type"], source["type"], f"{path}.{field['name']}")
        elif "default" not in field:
            yield f"{path}.{field['name']}: is not written, and has no default"


def _kind(schema: Any) -> str:
    return schema if isinstance(schema, str) else str(schema["type"])


def _name(schema: Any) -> str:
    if isinstance(schema, Mapping):
        return str(schema.get("name", schema["type"]))
    return str(schema)


def _logical(schema: Any) -> str:
    if not isinstance(schema, Mapping):
        return ""
    return " ".join(str(schema[key]) for key in _LOGICAL if key in schema)
