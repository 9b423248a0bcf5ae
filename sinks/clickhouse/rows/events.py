"""Every event of the log, whole: the body as JSON, what identifies it in columns."""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table, as_json
from streams.engine.events import Event


def _rows(event: Event) -> Iterator[Row]:
    yield (
        event.event_id,
        event.type,
        event.occurred_at,
        event.source,
        event.key,
        event.member_id,
        event.historical,
        as_json(event.body),
    )


TABLE = Table(
    name="events",
    takes=Event,
    columns={
        "event_id": "String",
        "type": "LowCardinality(String)",
        "occurred_at": TIME,
        "source": "LowCardinality(String)",
        "key": "String",
        "member_id": "Nullable(String)",
        "historical": "Bool",
        "body": "String",
    },
    rows=_rows,
    erases=Erases("key", "occurred_at"),
)
