"""The events there are: each type with its topic, its fields and their kinds, derived from the declarations.

Whoever needs to know what an event holds asks here: the reader of files, the codec, `lint`, the docs. Fields are those
of the body plus what may identify a member besides its id (`card_number`, `visitor_id`, `phone`, `email`); the rest of
the header is the same for every event and stands in `HEADER`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from schemas.declarations import EVENTS_NAMESPACE, avro_schemas, topic_declarations
from schemas.values import decimal_from_bytes

Kind = Literal[
    "string", "boolean", "integer", "decimal", "timestamp", "date", "enum", "map", "records", "record", "bytes"
]

HEADER = ("event_id", "type", "occurred_at", "source", "member_id", "historical")
IDENTIFIERS = ("card_number", "visitor_id", "phone", "email")
SOURCE_TOPICS = ("pos.receipts", "members.registrations", "web.behaviour", "bonus.ledger", "delivery.statuses")
"""In the order in which ingest breaks ties of time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldType:
    """The kind of a field's values.

    `default` is what an absent or null field counts as, None for a missing one. `fields` are those of each of the
    `records`; `symbols` the values of an `enum` (without `unknown`, which stands for one newer than this program).
    A `map` goes from text to text, true or false, or a number. Events have no `record` and no `bytes`; commands do.
    `personal`: it says who somebody is, how to reach them, or what they wrote (`"personal": true` in the Avro file).
    """

    kind: Kind
    doc: str
    default: Any = None
    fields: Mapping[str, "FieldType"] = field(default_factory=lambda: MappingProxyType({}))
    symbols: tuple[str, ...] = ()
    personal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """A type of event. `topic` is its source topic, None for one that never leaves the engine."""

    name: str
    topic: str | None
    record: str
    doc: str
    fields: Mapping[str, FieldType]

    @property
    def is_personal(self) -> bool:
        """Whether its events are sealed whatever they hold; others are if they name a phone, an e-mail or a card."""
        return any(found.personal for name, found in self.fields.items() if name not in IDENTIFIERS)


def _field_type(avro: Mapping[str, Any]) -> FieldType:
    kind, inner = kind_of(avro["type"])
    return FieldType(
        kind=kind,
        doc=avro["doc"],
        default=default_of(kind, avro.get("default")),
        fields=_fields(inner["items"]["fields"]) if kind == "records" else MappingProxyType({}),
        symbols=tuple(s for s in inner["symbols"] if s != inner.get("default")) if kind == "enum" else (),
        personal=avro.get("personal", False),
    )


def _fields(avro: list[Mapping[str, Any]]) -> Mapping[str, FieldType]:
    return MappingProxyType({each["name"]: _field_type(each) for each in avro})


def kind_of(avro: Any) -> tuple[Kind, Any]:
    """Tell the kind of an Avro type as our files use them; also the type without the null of its union."""
    if isinstance(avro, list):
        (avro,) = (branch for branch in avro if branch != "null")
    name = avro if isinstance(avro, str) else avro.get("logicalType", avro["type"])
    return _KINDS[name], avro


_KINDS: Mapping[str, Kind] = {
    "string": "string",
    "boolean": "boolean",
    "int": "integer",
    "long": "integer",
    "decimal": "decimal",
    "timestamp-millis": "timestamp",
    "date": "date",
    "enum": "enum",
    "map": "map",
    "array": "records",
    "record": "record",
    "bytes": "bytes",
}


def default_of(kind: Kind, avro: Any) -> Any:
    """Turn an Avro file's default into the value it stands for."""
    if kind == "decimal" and avro is not None:
        return decimal_from_bytes(avro.encode("latin-1"))
    return avro


def _event_types() -> Mapping[str, EventType]:
    schemas = {name: schema for name, schema in avro_schemas().items() if schema["namespace"] == EVENTS_NAMESPACE}
    topics = {record: topic for topic in SOURCE_TOPICS for record in topic_declarations()[topic].schemas}
    found = {}
    for record in [*topics, *(name for name in schemas if name not in topics)]:
        schema = schemas[record]
        fields = {each["name"]: each for each in schema["fields"]}
        found[fields["type"]["default"]] = EventType(
            name=fields["type"]["default"],
            topic=topics.get(record),
            record=record,
            doc=schema["doc"],
            fields=_fields([each for name, each in fields.items() if name not in HEADER]),
        )
    return MappingProxyType(found)


EVENT_TYPES: Mapping[str, EventType] = _event_types()
"""Every event type by its name, by source topic in the order of the contract, the engine's own last."""

PERSONAL_IDENTIFIERS = tuple(name for name in IDENTIFIERS if EVENT_TYPES["site_visited"].fields[name].personal)
"""Those of the header that make any event a personal one; the same in every event type."""
