"""The registry, and that it refuses what our own check refuses."""

import copy
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from schemas.codec import BadRecord, Codec
from schemas.compatibility import fully_compatible
from schemas.declarations import avro_schemas
from schemas.history import committed_versions
from schemas.registry import CommittedSchemas, Registry, SchemaSource, UnknownSchemaError
from streams.engine.events import Tick
from streams.errors import RekindleError
from streams.settings import Settings

pytestmark = pytest.mark.services

TICK = "rekindle.log.Tick"


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry.from_settings(settings)


@pytest.fixture(params=["registry", "committed"])
def source(request: pytest.FixtureRequest, settings: Settings) -> SchemaSource:
    if request.param == "committed":
        return CommittedSchemas()
    registry = Registry.from_settings(settings)
    registry.register_all()
    return Registry.from_settings(settings)


@pytest.mark.parametrize("subject", ["rekindle.events.PurchaseCompleted", "rekindle.commands.Decision", TICK])
def test_a_source_gives_the_schema_that_an_id_stands_for(source: SchemaSource, subject: str) -> None:
    found = source.schema(source.id_of(subject))
    assert f"{found['namespace']}.{found['name']}" == subject
    assert [field["name"] for field in found["fields"]] == [
        field["name"] for field in avro_schemas()[subject]["fields"]
    ]
    assert fully_compatible(found, avro_schemas()[subject]) == []


def test_a_source_says_that_it_does_not_know_an_id(source: SchemaSource) -> None:
    for _ in range(2):
        with pytest.raises(UnknownSchemaError, match="999999"):
            source.schema(999_999)


def test_a_codec_of_a_source_reads_what_it_wrote(source: SchemaSource) -> None:
    codec = Codec(source)
    tick = Tick(occurred_at=1, wall=False)
    assert codec.decode_log([codec.encode(tick), b"\0\0\x0f\x42\x3fxx"], [None, None])[0] == tick
    assert isinstance(codec.decode_log([b"\0\0\x0f\x42\x3fxx"], [None])[0], BadRecord)


def test_registering_again_changes_nothing(registry: Registry) -> None:
    assert registry.register_all() == registry.register_all()


def test_every_subject_checks_all_versions_both_ways(registry: Registry) -> None:
    for subject in registry.register_all():
        assert registry._call("GET", f"/config/{subject}") == {"compatibilityLevel": "FULL_TRANSITIVE"}


def test_the_committed_history_and_todays_schemas_register_one_after_the_other(registry: Registry) -> None:
    for subject, schema in avro_schemas().items():
        ids = [registry.register(subject, version) for version in [*committed_versions(subject), schema]]
        assert ids[-1] == registry.id_of(subject)


def test_a_subject_that_is_not_registered_names_the_remedy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"rekindle.log.Never{uuid.uuid4().hex}"
    schema = {**avro_schemas()[TICK], "name": name.rpartition(".")[2]}
    monkeypatch.setattr("schemas.registry.avro_schemas", lambda: {name: schema})
    with pytest.raises(RekindleError, match=f"schema {name} is not registered.*run `rekindle topics create`"):
        Registry.from_settings(settings).id_of(name)


def drop_field(schema: dict[str, Any]) -> None:
    schema["fields"].pop(0)


def add_field_without_default(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "new", "type": "string"})


def add_nullable_field(schema: dict[str, Any]) -> None:
    schema["fields"].append({"name": "new", "type": ["null", "string"], "default": None})


def change_type(schema: dict[str, Any]) -> None:
    schema["fields"][0]["type"] = "string"


def widen_one_way(schema: dict[str, Any]) -> None:
    schema["fields"][0]["type"] = "double"


def add_symbol(schema: dict[str, Any]) -> None:
    schema["fields"][1]["type"]["symbols"].append("sun")


def change_docs(schema: dict[str, Any]) -> None:
    schema["doc"] = "Otherwise."
    schema["fields"][0]["doc"] = "Otherwise."


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        (drop_field, False),
        (add_field_without_default, False),
        (add_nullable_field, True),
        (change_type, False),
        (widen_one_way, False),
        (add_symbol, True),
        (change_docs, True),
    ],
)
def test_the_registry_and_our_check_agree_on_a_change(
    registry: Registry, change: Callable[[dict[str, Any]], None], allowed: bool
) -> None:
    subject = f"rekindle.log.Tick-{uuid.uuid4().hex}"
    registry.register(subject, avro_schemas()[TICK])
    changed: Mapping[str, Any] = copy.deepcopy(dict(avro_schemas()[TICK]))
    change(changed)  # type: ignore[arg-type]
    assert (fully_compatible(changed, avro_schemas()[TICK]) == []) == allowed
    if allowed:
        assert registry.register(subject, changed)
        return
    with pytest.raises(RekindleError, match="incompatible with an earlier version"):
        registry.register(subject, changed)


def test_a_change_is_checked_against_older_versions_too(registry: Registry) -> None:
    subject = f"rekindle.log.Tick-{uuid.uuid4().hex}"
    versions: list[dict[str, Any]] = [json.loads(json.dumps(avro_schemas()[TICK])) for _ in range(3)]
    versions[0]["fields"].append({"name": "extra", "type": ["null", "string"], "default": None})
    versions[2]["fields"].append({"name": "extra", "type": ["null", "long"], "default": None})
    registry.register(subject, versions[0])
    registry.register(subject, versions[1])
    assert fully_compatible(versions[2], versions[1]) == []
    with pytest.raises(RekindleError, match="incompatible with an earlier version"):
        registry.register(subject, versions[2])


def test_a_registry_that_is_down_is_named() -> None:
    with pytest.raises(RekindleError, match=r"schema registry http://127\.0\.0\.1:9 doesn't answer.*REGISTRY_URL"):
        Registry("http://127.0.0.1:9").id_of(TICK)


def test_an_address_without_a_registry_is_named(services: Any) -> None:
    with pytest.raises(RekindleError, match="schema registry"):
        Registry(services.environment()["REKINDLE_CLICKHOUSE_DSN"]).register_all()
