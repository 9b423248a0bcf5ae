"""Intended messages. The address is the column `recipient`, since `to` is a word of SQL."""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table, as_json
from streams.engine.commands import Dispatch


def _rows(dispatch: Dispatch) -> Iterator[Row]:
    yield (
        dispatch.at,
        dispatch.dispatch_id,
        dispatch.member_id,
        dispatch.campaign,
        dispatch.version,
        dispatch.action,
        dispatch.channel,
        dispatch.to,
        as_json(dispatch.content),
        dispatch.messaging_type,
        dispatch.not_after,
        dispatch.network,
    )


TABLE = Table(
    name="dispatches",
    takes=Dispatch,
    columns={
        "at": TIME,
        "dispatch_id": "String",
        "member_id": "String",
        "campaign": "LowCardinality(String)",
        "version": "UInt32",
        "action": "LowCardinality(String)",
        "channel": "LowCardinality(String)",
        "recipient": "String",
        "content": "String",
        "messaging_type": "LowCardinality(String)",
        "not_after": f"Nullable({TIME})",
        "network": "LowCardinality(Nullable(String))",
    },
    rows=_rows,
    erases=Erases("member_id", "at"),
)
