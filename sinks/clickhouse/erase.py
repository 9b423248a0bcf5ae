"""Deletes what ClickHouse holds of erased members, every now and then, for all who were erased since.

One statement for many members, since a mutation rewrites every part that it finds one of them in: once an hour by
default (`REKINDLE_SINK_ERASE_SECONDS`). Of the sinks, the one that reads the first partition of `member.erasures` does
it. Nothing is remembered but in memory: whoever begins anew looks at all erasures of the last 30 days again, finds
nothing left of most, and so a kill at any point does no harm.

An erasure is looked at again until everything that was inserted before all sinks had heard of it is certain to be there
(`sinks.clickhouse.erased`).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from itertools import islice

from sinks.clickhouse.connect import ClickHouseError, Client, connect, is_lasting
from sinks.clickhouse.erased import HEARD_MS, read_erasures
from sinks.clickhouse.rows import Erases, tables
from streams import metrics
from streams.errors import RekindleError

LISTS = {
    "segment_members": Erases("member_id", at="since"),
    "segment_changes": Erases("member_id", at=None),
    "segment_run_steps": Erases("member_id", at=None),
    "rfm_values": Erases("member_id", at=None),
    "mergers": Erases("into", at="occurred_at"),
}
"""Tables that the sink itself does not fill (`streams.segments`, a view); what is staged expires after two days."""
MEMBERS_MAX = 1_000
"""In one statement."""
MUTATION_SECONDS = 3600
NOT_MINE_SECONDS = 5.0

log = logging.getLogger(__name__)


class Eraser:
    """A thread that deletes; `is_mine` tells whether this process is the one."""

    def __init__(self, dsn: str, every_s: float, stop: threading.Event, is_mine: Callable[[], bool]) -> None:
        self._dsn = dsn
        self._every_s = every_s
        self._stop = stop
        self._is_mine = is_mine
        self._since_ms = 0

    def start(self) -> None:
        """Begin; ends with `stop`."""
        threading.Thread(target=self._work, name="eraser", daemon=True).start()

    def _work(self) -> None:
        due = 0.0
        while not self._stop.wait(min(self._every_s, NOT_MINE_SECONDS)):
            if not self._is_mine():
                self._since_ms = 0  # others have done it since
            elif time.monotonic() >= due:
                self._try()
                due = time.monotonic() + self._every_s

    def _try(self) -> None:
        try:
            with connect(self._dsn, answer_s=MUTATION_SECONDS) as client:
                self._since_ms = sweep(client, self._since_ms)
        except (ClickHouseError, OSError, RekindleError) as error:
            told = log.error if is_lasting(error) else log.warning
            told("what erased members left in ClickHouse is not deleted yet: %s", str(error).splitlines()[0])


def sweep(client: Client, since_ms: int) -> int:
    """Delete what is left of members whose erasure was inserted since a moment (ms); returns where to begin next.

    Raises `ClickHouseError`; then the same call is made again.
    """
    ((began_ms,),) = client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows
    erasures = read_erasures(client, since_ms)
    for chunk in _chunks(erasures):
        for name, rule in erased_tables().items():
            _delete(client, name, rule, chunk)
    return max(since_ms, int(began_ms) - HEARD_MS)


def erased_tables() -> Mapping[str, Erases]:
    """Return by name every table that a sweep deletes from, and what of it."""
    return {**{table.name: table.erases for table in tables() if table.erases is not None}, **LISTS}


def _chunks(erasures: Mapping[str, int]) -> list[dict[str, int]]:
    items = iter(erasures.items())
    return list(iter(lambda: dict(islice(items, MEMBERS_MAX)), {}))


def _delete(client: Client, name: str, rule: Erases, erasures: Mapping[str, int]) -> None:
    condition = of_erased(rule)
    parameters = {"members": list(erasures), "times": list(erasures.values())}
    found = client.query(f"SELECT count() FROM {name} WHERE {condition}", parameters=parameters).result_rows[0][0]  # noqa: S608 - our own names
    if found:
        client.command(
            f"ALTER TABLE {name} DELETE WHERE {condition} SETTINGS mutations_sync = 1",
            parameters=parameters,
        )
        metrics.sink_rows_erased.labels(name).inc(found)
        log.info("%s: %d rows of erased members deleted", name, found)


def of_erased(rule: Erases) -> str:
    """Write the condition that finds them: `members` are erased until `times` (ms), in the same order."""
    parts = [f"{rule.member} IN %(members)s"]
    if rule.at is not None:
        until = f"transform(ifNull({rule.member}, ''), %(members)s, %(times)s, toInt64(0))"
        parts.append(f"toUnixTimestamp64Milli({rule.at}) <= {until}")
    if rule.unless is not None:
        parts.append(f"NOT {rule.unless}")
    return " AND ".join(parts)
