"""How good the personal fields of events were: one row for each field of each event."""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table
from streams.engine.commands import ProfileCheck


def _rows(check: ProfileCheck) -> Iterator[Row]:
    for finding in check.findings:
        yield (
            check.at,
            check.member_id,
            check.source,
            check.event,
            check.event_id,
            check.occurred_at,
            finding["field"],
            finding["outcome"],
            finding.get("rule"),
            finding.get("detail"),
        )


TABLE = Table(
    name="profile_checks",
    takes=ProfileCheck,
    columns={
        "at": TIME,
        "member_id": "String",
        "source": "LowCardinality(String)",
        "event": "LowCardinality(String)",
        "event_id": "String",
        "occurred_at": TIME,
        "field": "LowCardinality(String)",
        "outcome": "LowCardinality(String)",
        "rule": "LowCardinality(Nullable(String))",
        "detail": "LowCardinality(Nullable(String))",
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
