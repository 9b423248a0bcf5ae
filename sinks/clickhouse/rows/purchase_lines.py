"""The lines of receipts: one row each, numbered from 0 as they stand on the receipt."""

from collections.abc import Iterator

from sinks.clickhouse.rows import MONEY, TIME, Erases, Row, Table
from streams.engine.events import Event


def _rows(event: Event) -> Iterator[Row]:
    body = event.body
    for number, line in enumerate(body.get("lines") or ()):
        yield (
            event.event_id,
            event.type,
            event.occurred_at,
            event.key,
            event.member_id,
            event.historical,
            body.get("receipt_id"),
            body.get("store_id"),
            number,
            line.get("sku"),
            line.get("name"),
            line.get("category"),
            line.get("quantity"),
            line.get("price"),
            line.get("discount"),
        )


TABLE = Table(
    name="purchase_lines",
    takes=Event,
    event_types=frozenset({"purchase_completed", "purchase_returned"}),
    columns={
        "event_id": "String",
        "type": "LowCardinality(String)",
        "occurred_at": TIME,
        "key": "String",
        "member_id": "Nullable(String)",
        "historical": "Bool",
        "receipt_id": "Nullable(String)",
        "store_id": "LowCardinality(Nullable(String))",
        "line": "UInt32",
        "sku": "Nullable(String)",
        "name": "Nullable(String)",
        "category": "LowCardinality(Nullable(String))",
        "quantity": f"Nullable({MONEY})",
        "price": f"Nullable({MONEY})",
        "discount": f"Nullable({MONEY})",
    },
    rows=_rows,
    erases=Erases("key", "occurred_at"),
)
