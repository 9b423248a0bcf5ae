"""Requests to partners' systems."""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table, as_json
from streams.engine.commands import Webhook


def _rows(webhook: Webhook) -> Iterator[Row]:
    yield (
        webhook.at,
        webhook.webhook_id,
        webhook.member_id,
        webhook.campaign,
        webhook.version,
        webhook.action,
        webhook.url,
        as_json(webhook.body),
    )


TABLE = Table(
    name="webhooks",
    takes=Webhook,
    columns={
        "at": TIME,
        "webhook_id": "String",
        "member_id": "String",
        "campaign": "LowCardinality(String)",
        "version": "UInt32",
        "action": "LowCardinality(String)",
        "url": "String",
        "body": "String",
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
