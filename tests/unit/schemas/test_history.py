"""No change of a schema may break a reader or a writer of any version that was ever committed."""

import copy
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.compatibility import fully_compatible, unreadable
from schemas.declarations import avro_schemas
from schemas.history import HISTORY, append_versions, breaks, committed_versions, essence
from streams.errors import RekindleError

PURCHASE = "rekindle.events.PurchaseCompleted"


def purchase() -> dict[str, Any]:
    return copy.deepcopy(dict(avro_schemas()[PURCHASE]))


@pytest.mark.parametrize("record", avro_schemas())
def test_a_schema_is_compatible_with_every_committed_version(record: str) -> None:
    versions = committed_versions(record)
    assert versions, "a new record: run `python -m schemas.history` and commit what it writes"
    assert breaks(avro_schemas()[record], versions) == []
    assert versions[-1] == essence(avro_schemas()[record]), "changed: run `python -m schemas.history` and commit"


def test_no_record_of_the_history_has_gone() -> None:
    assert {path.stem for path in HISTORY.glob("*.json")} <= avro_schemas().keys()


def remove(name: str) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        schema["fields"] = [field for field in schema["fields"] if field["name"] != name]

    return change


def set_type(name: str, avro: Any) -> Callable[[dict[str, Any]], None]:
    def change(schema: dict[str, Any]) -> None:
        next(field for field in schema["fields"] if field["name"] == name)["type"] = avro

    return change


def add(field: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    return lambda schema: schema["fields"].append(field)


def rename(schema: dict[str, Any]) -> None:
    schema["name"] = "Purchase"


def decimal(scale: int) -> dict[str, Any]:
    return {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": scale}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (remove("pos_id"), None),
        (add({"name": "new", "type": ["null", "string"], "default": None}), None),
        (
            add(
                {"name": "new", "type": {"type": "enum", "name": "E", "symbols": ["a"], "default": "a"}, "default": "a"}
            ),
            None,
        ),
        (remove("event_id"), "PurchaseCompleted.event_id: is not written, and has no default"),
        (add({"name": "new", "type": "string"}), "PurchaseCompleted.new: is not written, and has no default"),
        (set_type("store_id", "string"), "PurchaseCompleted.store_id: string doesn't read null"),
        (set_type("store_id", ["null", "long"]), "PurchaseCompleted.store_id: no branch reads string"),
        (set_type("historical", "int"), "PurchaseCompleted.historical: int doesn't read boolean"),
        (set_type("occurred_at", "long"), "PurchaseCompleted.occurred_at: a plain value isn't timestamp-millis"),
        (set_type("discount", decimal(2)), "PurchaseCompleted.discount: decimal 18 2 isn't decimal 18 6"),
        (rename, "Purchase: Purchase isn't PurchaseCompleted"),
    ],
)
def test_a_change_is_judged(change: Callable[[dict[str, Any]], None], problem: str | None) -> None:
    changed = purchase()
    change(changed)
    problems = fully_compatible(changed, purchase())
    assert (problem in problems) if problem else not problems, problems


def test_a_change_inside_the_lines_is_judged() -> None:
    changed = purchase()
    lines = next(field for field in changed["fields"] if field["name"] == "lines")
    lines["type"][1]["items"]["fields"].append({"name": "weight", "type": "string"})
    assert any("lines" in problem for problem in fully_compatible(changed, purchase()))


def test_a_symbol_may_be_added_only_where_readers_have_a_default() -> None:
    def enum(*symbols: str, **more: str) -> dict[str, Any]:
        return {"type": "enum", "name": "E", "symbols": list(symbols), **more}

    assert unreadable(enum("a", default="a"), enum("a", "b")) == []
    assert unreadable(enum("a"), enum("a", "b")) == ["E: symbols ['b'] are unknown, and there is no default"]
    assert unreadable(enum("a", "b"), enum("a")) == []


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        ("long", "int"),
        ("double", "long"),
        ("string", "bytes"),
        (["null", "string"], "string"),
        ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
    ],
)
def test_what_we_call_readable_fastavro_reads_and_the_other_way_is_refused(reader: Any, writer: Any) -> None:
    def record(avro: Any) -> Any:
        return fastavro.parse_schema(
            {"type": "record", "name": "R", "fields": [{"name": "f", "type": avro}]}, named_schemas={}
        )

    assert unreadable(reader, writer) == []
    value = {"int": 1, "long": 1, "string": "a", "bytes": b"a"}.get(writer if isinstance(writer, str) else "", {"a": 1})
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, record(writer), {"f": value})
    stream.seek(0)
    assert "f" in fastavro.schemaless_reader(stream, record(writer), record(reader))
    assert unreadable(writer, reader) != [] or {reader, writer} == {"string", "bytes"}


def test_a_compatible_change_is_appended_and_an_incompatible_one_refused(tmp_path: Path) -> None:
    schemas = {PURCHASE: purchase()}
    assert append_versions(schemas, tmp_path) == [PURCHASE]
    assert append_versions(schemas, tmp_path) == []
    newer = purchase()
    newer["fields"].append({"name": "new", "type": ["null", "string"], "default": None, "doc": "New."})
    assert append_versions({PURCHASE: newer}, tmp_path) == [PURCHASE]
    assert committed_versions(PURCHASE, tmp_path) == [essence(purchase()), essence(newer)]
    before = (tmp_path / f"{PURCHASE}.json").read_bytes()
    newest = purchase()
    newest["fields"].append({"name": "new", "type": ["null", "long"], "default": None})
    with pytest.raises(RekindleError, match=r"version 2: PurchaseCompleted\.new: no branch reads"):
        append_versions({PURCHASE: newest}, tmp_path)
    assert (tmp_path / f"{PURCHASE}.json").read_bytes() == before


def test_docs_are_no_part_of_a_version() -> None:
    described = purchase()
    described["doc"] = "Otherwise."
    assert essence(described) == essence(purchase())
    assert "doc" not in json.dumps(essence(described)).split('"')
