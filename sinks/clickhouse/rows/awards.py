"""Bonus points to accrue."""

from collections.abc import Iterator

from sinks.clickhouse.rows import MONEY, TIME, Erases, Row, Table
from streams.engine.commands import Award


def _rows(award: Award) -> Iterator[Row]:
    yield (
        award.at,
        award.award_id,
        award.member_id,
        award.campaign,
        award.version,
        award.action,
        award.amount,
        award.currency,
        award.activates_at,
        award.expires_at,
        award.legal_entity,
        award.description,
    )


TABLE = Table(
    name="awards",
    takes=Award,
    columns={
        "at": TIME,
        "award_id": "String",
        "member_id": "String",
        "campaign": "LowCardinality(String)",
        "version": "UInt32",
        "action": "LowCardinality(String)",
        "amount": MONEY,
        "currency": "LowCardinality(String)",
        "activates_at": f"Nullable({TIME})",
        "expires_at": f"Nullable({TIME})",
        "legal_entity": "LowCardinality(Nullable(String))",
        "description": "Nullable(String)",
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
