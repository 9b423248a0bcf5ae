"""What the gateways reported about dispatches, out of the log, in the order in which it took effect."""

from collections.abc import Iterator

from schemas.catalogue import EVENT_TYPES
from sinks.clickhouse.rows import TIME, Erases, Row, Table
from streams.engine.events import Event


def _rows(event: Event) -> Iterator[Row]:
    body = event.body
    yield (
        event.event_id,
        event.type,
        event.occurred_at,
        event.source,
        event.key,
        body.get("dispatch_id") or "",
        body.get("channel") or "",
        body.get("link"),
        body.get("reason"),
    )


TABLE = Table(
    name="delivery_statuses",
    takes=Event,
    event_types=frozenset(kind.name for kind in EVENT_TYPES.values() if kind.topic == "delivery.statuses"),
    columns={
        "event_id": "String",
        "status": "LowCardinality(String)",
        "occurred_at": TIME,
        "source": "LowCardinality(String)",
        "member_id": "String",
        "dispatch_id": "String",
        "channel": "LowCardinality(String)",
        "link": "Nullable(String)",
        "reason": "LowCardinality(Nullable(String))",
    },
    rows=_rows,
    erases=Erases("member_id", "occurred_at"),
)
