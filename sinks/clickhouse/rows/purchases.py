"""Receipts, bought or brought back: one row each, told apart by `type`."""

from collections.abc import Iterator

from sinks.clickhouse.rows import MONEY, TIME, Erases, Row, Table
from streams.engine.events import Event


def _rows(event: Event) -> Iterator[Row]:
    body = event.body
    yield (
        event.event_id,
        event.type,
        event.occurred_at,
        event.source,
        event.key,
        event.member_id,
        event.historical,
        body.get("receipt_id"),
        body.get("store_id"),
        body.get("pos_id"),
        body.get("total"),
        body.get("discount"),
        body.get("bonus_paid"),
        len(body.get("lines") or ()),
    )


TABLE = Table(
    name="purchases",
    takes=Event,
    event_types=frozenset({"purchase_completed", "purchase_returned"}),
    columns={
        "event_id": "String",
        "type": "LowCardinality(String)",
        "occurred_at": TIME,
        "source": "LowCardinality(String)",
        "key": "String",
        "member_id": "Nullable(String)",
        "historical": "Bool",
        "receipt_id": "Nullable(String)",
        "store_id": "LowCardinality(Nullable(String))",
        "pos_id": "LowCardinality(Nullable(String))",
        "total": f"Nullable({MONEY})",
        "discount": f"Nullable({MONEY})",
        "bonus_paid": f"Nullable({MONEY})",
        "lines": "UInt32",
    },
    rows=_rows,
    erases=Erases("key", "occurred_at"),
)
