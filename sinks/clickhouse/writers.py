"""The threads that write batches, each with a connection of its own, so that reading goes on meanwhile.

A batch is tried until it is in: ClickHouse that is down or slow costs time, never rows, and what waits is bounded by
the consumer, which stops reading. Only what repetition cannot heal (wrong SQL, missing tables) ends the process.

The threads are daemons: at the end of the process a request that hangs is abandoned. Nothing is lost by that, since the
batch is formed again (`sinks.clickhouse.batches`).
"""

import logging
import queue
import threading
import time
from dataclasses import dataclass, replace

import stamina

from sinks.clickhouse.batch import Backlog, Batch
from sinks.clickhouse.connect import ClickHouseError, Client, connect, is_lasting, is_refusal
from sinks.clickhouse.decode import CannotDecodeNowError
from sinks.clickhouse.erased import Erased
from sinks.clickhouse.write import Decode, write
from streams import metrics
from streams.errors import RekindleError

WAIT_INITIAL_S = 0.2
WAIT_MAX_S = 5.0
FRESH_S = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch: its end as `write` returned it, or the error that ends the process."""

    backlog: Backlog
    batch: Batch
    last: int
    error: Exception | None


class Writers:
    """A fixed number of writing threads."""

    def __init__(self, dsn: str, decode: Decode, *, count: int, stop: threading.Event) -> None:
        self._dsn = dsn
        self._decode = decode
        self._stop = stop
        self._tasks: queue.SimpleQueue[tuple[float, Backlog, Batch]] = queue.SimpleQueue()
        self._results: queue.SimpleQueue[Written] = queue.SimpleQueue()
        self._pending = 0
        self._erased = Erased()
        for number in range(count):
            threading.Thread(target=self._work, name=f"writer-{number}", daemon=True).start()

    @property
    def pending(self) -> int:
        """Batches submitted whose result was not taken yet."""
        return self._pending

    def submit(self, backlog: Backlog, batch: Batch) -> None:
        """Have a batch written."""
        self._pending += 1
        self._tasks.put((time.monotonic(), backlog, batch))

    def results(self, timeout_s: float = 0.0) -> list[Written]:
        """Take what is done by now; waits up to `timeout_s` for the first."""
        found: list[Written] = []
        try:
            while self._pending:
                wait = timeout_s if not found else 0.0
                found.append(self._results.get(timeout=wait) if wait else self._results.get_nowait())
                self._pending -= 1
        except queue.Empty:
            pass
        return found

    def _work(self) -> None:
        client: Client | None = None
        while True:
            submitted, backlog, batch = self._tasks.get()
            try:
                for attempt in stamina.retry_context(
                    on=self._worth_repeating,
                    attempts=None,
                    timeout=None,
                    wait_initial=WAIT_INITIAL_S,
                    wait_max=WAIT_MAX_S,
                    wait_jitter=WAIT_INITIAL_S,
                ):
                    with attempt:
                        if attempt.num > 1 or time.monotonic() - submitted > FRESH_S:
                            batch = replace(batch, suspect=True)
                        if attempt.num > 1 and client is not None:
                            client.close()
                            client = None
                        client = client or connect(self._dsn)
                        last = write(client, batch, self._decode, self._erased)
                self._results.put(Written(backlog, batch, last, None))
            except Exception as error:  # noqa: BLE001 - handed to the main thread, which ends the process
                self._results.put(Written(backlog, batch, batch.last, error))

    def _worth_repeating(self, error: Exception) -> bool:
        if (
            self._stop.is_set()
            or not isinstance(error, ClickHouseError | CannotDecodeNowError | OSError)
            or is_lasting(error)
        ):
            return False
        metrics.sink_retries.inc()
        log.warning("trying again soon: %s", str(error).splitlines()[0])
        return True


def as_message(error: Exception) -> RekindleError:
    """Make what to tell a person about an error that repetition cannot heal."""
    if isinstance(error, RekindleError):
        return error
    said = str(error).splitlines()[0]
    if is_refusal(error):
        return RekindleError(f"ClickHouse and the sink don't trust each other (REKINDLE_CLICKHOUSE_DSN): {said}")
    return RekindleError(f"ClickHouse refuses what the sink writes: {said}")
