"""Whom the sink must not insert any more: the erasures that ClickHouse has, read again every minute.

A partition may be read long after the erasure of a member was: what it holds of them must not come back. So rows of an
erased member's time are left out of every block. What came in before is deleted (`sinks.clickhouse.erase`), and whoever
deletes waits until every sink has heard (`HEARD_MS`).
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sinks.clickhouse.connect import Client
from sinks.clickhouse.rows import Table

REFRESH_SECONDS = 60.0
HEARD_MS = 180_000
"""After so long every sink leaves out what it must: the refresh, and an insertion that was under way."""


class Erased:
    """The erasures of the last 30 days, by member. For several threads."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: Mapping[str, int] = {}
        self._read_at: float | None = None
        self._lock = threading.Lock()

    def refresh(self, client: Client, *, now: bool = False) -> None:
        """Read them if it is time, or `now`. Raises `ClickHouseError`."""
        with self._lock:
            at = self._monotonic()
            if not now and self._read_at is not None and at - self._read_at < REFRESH_SECONDS:
                return
            self._until = read_erasures(client)
            self._read_at = at

    def left_out(self, table: Table, columns: Sequence[Sequence[Any]]) -> list[int]:
        """Return the numbers of rows that belong to an erased member's time; `columns` are those of the table."""
        rule, until = table.erases, self._until
        if rule is None or not until:
            return []
        names = list(table.columns)
        members = columns[names.index(rule.member)]
        times = None if rule.at is None else columns[names.index(rule.at)]
        kept = None if rule.unless is None else columns[names.index(rule.unless)]
        return [
            number
            for number, member in enumerate(members)
            if member in until and (times is None or times[number] <= until[member]) and not (kept and kept[number])
        ]


def read_erasures(client: Client, since_ms: int = 0) -> dict[str, int]:
    """Return until when (ms) each member was erased, of what was inserted since a moment. Raises `ClickHouseError`."""
    rows = client.query(
        "SELECT member_id, max(toUnixTimestamp64Milli(at)) FROM erasures "
        "WHERE toUnixTimestamp64Milli(_inserted_at) >= %(since)s GROUP BY member_id",
        parameters={"since": since_ms},
    ).result_rows
    return {str(member): int(at) for member, at in rows}
