"""A ClickHouse sink of the simulation: the real one, over a consumer and tables in memory, on virtual time.

Its writers are greenlets within the process: with each turn of its loop each goes on by a few requests, so that
partitions come and go while batches are half written.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from greenlet import getcurrent, greenlet

from sinks.clickhouse.batch import Backlog, Batch, Limits
from sinks.clickhouse.connect import ClickHouseError
from sinks.clickhouse.consumer import ClickHouseSink
from sinks.clickhouse.decode import make_decoder
from sinks.clickhouse.erased import Erased
from sinks.clickhouse.write import Decode, write
from sinks.clickhouse.writers import FRESH_S, WAIT_INITIAL_S, Writers, Written
from streams.errors import RekindleError
from tests.pipeline.process import Process
from tests.pipeline.tables import Tables, TablesClient

WRITERS = 2
TURNS = 4


class MemoryWriters(Writers):
    """The writers of one process; what they do with a batch is what the threads do."""

    def __init__(self, process: "SinkProcess", decode: Decode) -> None:
        self._process = process
        self._decode = decode
        self._waiting: deque[tuple[float, Backlog, Batch]] = deque()
        self._done: list[Written] = []
        self._pending = 0
        self._greenlets = [greenlet(self._work) for _ in range(WRITERS)]

    def submit(self, backlog: Backlog, batch: Batch) -> None:
        """Have a batch written."""
        self._pending += 1
        self._waiting.append((self._process.seconds(), backlog, batch))

    def results(self, timeout_s: float = 0.0) -> list[Written]:
        """Let each go on by some requests; take what is done by now."""
        for _ in range(TURNS):
            for each in self._greenlets:
                each.switch()
                self._process.give_way(self._process.place)  # where the world may end it
        if timeout_s:
            self._process.wait(timeout_s)
        done, self._done = self._done, []
        self._pending -= len(done)
        return done

    def _work(self) -> None:
        process = self._process
        client = TablesClient(process.tables, process, self._wait)
        erased = Erased(process.seconds)  # one for each: its lock is held while it asks
        while True:
            while not self._waiting:
                self._rest()
            submitted, backlog, batch = self._waiting.popleft()
            for number in range(1_000_000):
                try:
                    if number or process.seconds() - submitted > FRESH_S:
                        batch = replace(batch, suspect=True)
                    last = write(client, batch, self._decode, erased)  # type: ignore[arg-type]
                    self._done.append(Written(backlog, batch, last, None))
                    break
                except ClickHouseError as error:
                    if process.is_set():
                        self._done.append(Written(backlog, batch, batch.last, error))
                        break
                    self._wait(WAIT_INITIAL_S)
                except RekindleError as error:
                    self._done.append(Written(backlog, batch, batch.last, error))
                    break

    def _wait(self, seconds: float) -> None:
        until = self._process.seconds() + seconds
        while self._process.seconds() < until:
            self._rest()

    @staticmethod
    def _rest() -> None:
        parent = getcurrent().parent
        assert parent is not None
        parent.switch()


class SinkProcess(Process):
    """One sink."""

    tables: Tables
    topics: Sequence[str]
    limits: Limits
    sink: ClickHouseSink | None = None

    def seconds(self) -> float:
        """Tell the time."""
        return self._clock() / 1000

    def is_set(self) -> bool:
        """Tell whether it is to stop."""
        return self.should_stop

    def set(self) -> None:
        """Have it stop."""
        self.should_stop = True

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._network.wait(seconds)

    def _run(self) -> None:
        decode = make_decoder(self._codec)

        def open_consumer(config: dict[str, Any]) -> Any:
            return self._kafka.consumer(config["group.id"], config)

        self.sink = ClickHouseSink(
            self.settings,
            list(self.topics),
            decode,
            self,  # type: ignore[arg-type]
            limits=self.limits,
            writers=MemoryWriters(self, decode),
            open_consumer=open_consumer,
            open_client=lambda _: TablesClient(self.tables, self, self.wait),  # type: ignore[arg-type, return-value]
            monotonic=self.seconds,
        )
        self.sink.run()

    @property
    def unwritten(self) -> int:
        """How many batches its writers have in hand."""
        return 0 if self.sink is None else self.sink._writers.pending

    def has_written(self, place: tuple[str, int], last: int) -> bool:
        """Tell whether the partition is its own, and in the tables up to the offset `last`."""
        backlog = None if self.sink is None else self.sink._backlogs.get(place)
        return backlog is not None and backlog.decided_last is None and backlog.first > last and not backlog.writing
