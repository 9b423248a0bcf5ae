"""What members stated about being written to, and how: the evidence, which no change of a profile ever touches.

Statements, unsubscribing and complaints, one row each, as the log has them; what counts now is the members' state. The
text that a member saw is what a source says after a `#` (`site.checkout#terms-2026-03`), or the dispatch whose link it
was: its wording stands in `dispatches`.

What an erased member stated stays: it is the evidence that writing to them was allowed, and has no personal field.
"""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Row, Table
from streams.consent.tokens import SOURCE
from streams.engine.events import Event

_OBJECTIONS = frozenset({"member_unsubscribed", "message_complained"})


def _rows(event: Event) -> Iterator[Row]:
    body = event.body
    objection = event.type in _OBJECTIONS
    source, _, text = event.source.partition("#")
    yield (
        event.occurred_at,
        event.key,
        body.get("channel"),
        body.get("messaging_type"),
        False if objection else body.get("subscribed"),
        event.type,
        source,
        text or None,
        body.get("dispatch_id") or _linked(event),
        event.event_id,
        event.historical,
    )


def _linked(event: Event) -> str | None:
    """The dispatch whose link made the event."""
    return event.event_id.partition("/")[0] if event.source == SOURCE else None


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
        "event": "LowCardinality(String)",
        "source": "LowCardinality(String)",
        "text": "LowCardinality(Nullable(String))",
        "dispatch_id": "Nullable(String)",
        "event_id": "String",
        "historical": "Bool",
    },
    rows=_rows,
)
