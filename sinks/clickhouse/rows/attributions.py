"""Which dispatch each purchase is attributed to; what was returned of it has a negative amount."""

from collections.abc import Iterator

from sinks.clickhouse.rows import MONEY, TIME, Erases, Row, Table
from streams.engine.commands import Attribution


def _rows(attribution: Attribution) -> Iterator[Row]:
    yield (
        attribution.at,
        attribution.attribution_id,
        attribution.member_id,
        attribution.dispatch_id,
        attribution.campaign,
        attribution.version,
        attribution.action,
        attribution.channel,
        attribution.event,
        attribution.event_id,
        attribution.occurred_at,
        attribution.purchase,
        attribution.amount,
        attribution.touch,
        attribution.touched_at,
    )


TABLE = Table(
    name="attributions",
    takes=Attribution,
    columns={
        "at": TIME,
        "attribution_id": "String",
        "member_id": "String",
        "dispatch_id": "String",
        "campaign": "LowCardinality(String)",
        "version": "UInt32",
        "action": "LowCardinality(String)",
        "channel": "LowCardinality(String)",
        "event": "LowCardinality(String)",
        "event_id": "String",
        "occurred_at": TIME,
        "purchase": "Nullable(String)",
        "amount": MONEY,
        "touch": "LowCardinality(String)",
        "touched_at": TIME,
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
