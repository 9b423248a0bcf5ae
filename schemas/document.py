"""`docs/events.md` is made of the declarations: `python -m schemas.document` writes it, a test says when it is old."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from schemas.catalogue import EVENT_TYPES, IDENTIFIERS, SOURCE_TOPICS, EventType, FieldType
from schemas.declarations import FOLDER, avro_schemas, topic_declarations

PAGE = FOLDER.parent / "docs" / "events.md"

_HEAD = """# Events and topics

Made of `schemas/avro` and `schemas/topics` by `python -m schemas.document`; don't edit it here.

Numbers are decimals with at most six digits after the point. In files, times are ISO 8601 with offset; a field may be
absent or null, and counts as its default then, or as missing. An example of each type is in `schemas/examples`.

Ids of members, visitors, cards and receipts are parts of keys and have no zero byte: an event with such a one goes to
`dead.letters`, and in a file its line is refused. The same holds of `from_id`, `into_id` and `referrer_id`.

Fields marked ● are personal (`"personal": true` in the Avro file): events of a type with one are sealed in
`member.events`, and so is any event that names a phone, an e-mail or a card ([erasure](erasure.md)).

## The header of every event

| field | kind | meaning |
| --- | --- | --- |
"""


def render() -> str:
    """Render the page."""
    return _HEAD + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    any_event = EVENT_TYPES["site_visited"]
    kinds = {"occurred_at": "time", "historical": "true or false, default false"}
    for field in avro_schemas()[any_event.record]["fields"]:
        name = field["name"]
        if name in any_event.fields and name not in IDENTIFIERS:
            continue
        yield f"| `{name}` | {kinds.get(name, 'text')} | {field['doc']} |"
    for topic in SOURCE_TOPICS:
        yield from ("", f"## {topic}", "", topic_declarations()[topic].doc)
        for event_type in EVENT_TYPES.values():
            if event_type.topic == topic:
                yield from _event_lines(event_type)
    yield from ("", "## Within the engine", "", "Never on the wire; campaigns can start from them like from any other.")
    for event_type in EVENT_TYPES.values():
        if event_type.topic is None:
            yield from _event_lines(event_type)
    yield from _topic_lines()


def _event_lines(event_type: EventType) -> Iterator[str]:
    yield from ("", f"### {event_type.name}", "", event_type.doc)
    body = {name: field for name, field in event_type.fields.items() if name not in IDENTIFIERS}
    if body:
        yield from ("", "| field | kind | meaning |", "| --- | --- | --- |", *_field_lines(body))


def _field_lines(fields: Mapping[str, FieldType], prefix: str = "") -> Iterator[str]:
    for name, field in fields.items():
        default = "" if field.default is None else f", default {field.default}"
        yield f"| `{prefix}{name}`{' ●' if field.personal else ''} | {_kind(field)}{default} | {field.doc} |"
        yield from _field_lines(field.fields, f"{prefix}{name}[].")


def _kind(field: FieldType) -> str:
    return ", ".join(field.symbols) if field.symbols else _KINDS[field.kind]


_KINDS = {
    "string": "text",
    "boolean": "true or false",
    "integer": "whole number",
    "decimal": "number",
    "timestamp": "time",
    "date": "date",
    "map": "mapping",
    "records": "list",
}


def _topic_lines() -> Iterator[str]:
    yield from ("", "## All topics", "", "Retention holds in production; a replay keeps everything.", "")
    yield from ("| topic | what | key | partitions | retention | cleanup | dead letters | owner |", "| --- " * 8 + "|")
    for topic in topic_declarations().values():
        cells = (
            f"`{topic.name}`",
            topic.doc,
            topic.key,
            "as set" if topic.partitions is None else str(topic.partitions),
            topic.retention,
            topic.cleanup,
            topic.dead_letters or "-",
            topic.owner,
        )
        yield f"| {' | '.join(cells)} |"


def write(path: Path = PAGE) -> None:
    """Write the page."""
    path.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    write()
