"""What members stated about being written to, and how: the evidence, which no change of a profile ever touches.

Statements, unsubscribing and complaints, one row each, as the log has them; what counts now is the members' state.
"""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Row, Table
from streams.engine.events import Event

_OBJECTIONS = frozenset({"member_unsubscribed", "message_complained"})


def _rows(event: Event) -> Iterator[Row]:
    body = event.body
    objection = event.type in _OBJECTIONS
    yield (
        event.occurred_at,
        event.key,
        body.get("channel"),
        body.get("messaging_type"),
        False if objection else body.get("subscribed"),
        body.get("confirmed"),
        event.type,
        event.source,
        body.get("method"),
        body.get("text"),
        body.get("dispatch_id"),
        event.event_id,
        event.historical,
    )


TABLE = Table(
    name="consents",
    takes=Event,
    event_types=_OBJECTIONS | {"subscription_changed"},
    columns={
        "occurred_at": TIME,
        "member_id": "String",
        "channel": "LowCardinality(Nullable(String))",
        "messaging_type": "LowCardinality(Nullable(String))",
        "subscribed": "Nullable(Bool)",
        "confirmed": "Nullable(Bool)",
        "event": "LowCardinality(String)",
        "source": "LowCardinality(String)",
        "method": "LowCardinality(Nullable(String))",
        "text": "Nullable(String)",
        "dispatch_id": "Nullable(String)",
        "event_id": "String",
        "historical": "Bool",
    },
    rows=_rows,
)
