"""Why something was or wasn't done."""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table
from streams.engine.commands import Decision


def _rows(decision: Decision) -> Iterator[Row]:
    yield (
        decision.at,
        decision.member_id,
        decision.campaign,
        decision.version,
        decision.action,
        decision.outcome,
        decision.reason,
    )


TABLE = Table(
    name="decisions",
    takes=Decision,
    columns={
        "at": TIME,
        "member_id": "String",
        "campaign": "LowCardinality(String)",
        "version": "UInt32",
        "action": "LowCardinality(Nullable(String))",
        "outcome": "LowCardinality(String)",
        "reason": "LowCardinality(String)",
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
