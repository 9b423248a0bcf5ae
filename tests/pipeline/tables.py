"""ClickHouse as the sink trusts it: tables that take a block once per token, whoever inserts it, and answer questions.

A block is there or not. A token is noted first: a server that is killed in between knows the token of rows that it has
lost. A request that its client has given up may still arrive, however late. What ClickHouse really does is tested on
the engine itself (`tests/integration/sinks`); views, and the window of tokens, aren't here.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self

from clickhouse_connect.driver.exceptions import OperationalError

from tests.pipeline.process import Loss, Process

LOST_ROWS = 0.5  # of the inserts whose answer is lost: the server was killed
LATE = 0.5  # of the requests that are lost: they arrive later


class Tables:
    """The tables of one database, and what is still on its way to them."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"tables {seed}")
        self.losing = self._rng.choice((0.0, 0.05, 0.2))  # of the requests, besides those that any process loses
        self._tokens: dict[str, set[str]] = defaultdict(set)
        self._late: list[Callable[[], None]] = []
        self.rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self.repeated = 0  # blocks that were passed over
        self.lost = 0  # blocks whose token alone was noted
        self.delayed = 0

    def insert(self, table: str, rows: Sequence[tuple[Any, ...]], token: str, *, is_killed: bool = False) -> None:
        """Take a block, unless its token is known; killed, the server keeps the token alone."""
        if token in self._tokens[table]:
            self.repeated += 1
            return
        self._tokens[table].add(token)
        if is_killed:
            self.lost += 1
        else:
            self.rows[table] += rows

    def draw_loss(self) -> Loss | None:
        """Tell whether a request or its answer is lost here."""
        if self._rng.random() >= self.losing:
            return None
        return Loss(self._rng.choice(("request", "answer")), self._rng.choice((0.5, 5.0)))

    def is_killed(self) -> bool:
        """Draw whether the server dies in the middle."""
        return self._rng.random() < LOST_ROWS

    def delay(self, request: Callable[[], None]) -> None:
        """Let a request that its client has given up arrive later, or never."""
        if self._rng.random() < LATE:
            self.delayed += 1
            self._late.append(request)

    def deliver(self, chance: float) -> None:
        """Let what is late arrive, each with a chance."""
        due = [each for each in self._late if self._rng.random() < chance]
        self._late = [each for each in self._late if each not in due]
        for request in due:
            request()

    def batches(self) -> Iterator[tuple[str, int, int, int]]:
        """Yield topic, partition, first and last offset of the batches that were decided."""
        yield from self.rows["sink_batches"]  # type: ignore[misc]


class TablesClient:
    """One connection: what the sink asks, and a question that it doesn't ask is an error."""

    def __init__(self, tables: Tables, process: Process, wait: Callable[[float], None]) -> None:
        self._tables = tables
        self._process = process
        self._wait = wait

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing."""

    def insert(
        self,
        table: str,
        data: Sequence[Sequence[Any]],
        *,
        column_names: Sequence[str],
        column_type_names: Sequence[str],
        column_oriented: bool,
        settings: Mapping[str, Any],
    ) -> None:
        """Insert a block under its token."""
        assert column_oriented
        assert len(data) == len(column_names) == len(column_type_names)
        rows, token = list(zip(*data, strict=True)), settings["insert_deduplication_token"]
        tables = self._tables

        def take(*, is_answered: bool) -> None:
            tables.insert(table, rows, token, is_killed=not is_answered and tables.is_killed())

        loss = self._sent("insert")
        if loss is not None and loss.what == "request":
            tables.delay(lambda: take(is_answered=True))
        else:
            take(is_answered=loss is None)
        self._answered("insert", loss)

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Answer one of the sink's questions."""
        loss = self._sent("query")
        found = self._answer(" ".join(sql.split()), parameters or {})
        self._answered("query", loss)
        return SimpleNamespace(result_rows=found)

    def _answer(self, sql: str, asked: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        batches = list(self._tables.batches())
        if sql.startswith("SELECT topic, partition, max(first_offset), argMax(last_offset, first_offset) "):
            last = {(topic, partition): (first, end) for topic, partition, first, end in sorted(batches)}
            return [(*place, *batch) for place, batch in last.items()]
        if sql.startswith("SELECT member_id, max("):
            return []  # nobody is erased here
        place = (asked["topic"], asked["partition"])
        own = {first: last for *its, first, last in batches if (*its,) == place}
        if sql.startswith("SELECT last_offset FROM sink_batches "):
            return [(last,) for *its, first, last in batches if (*its, first) == (*place, asked["first"])]
        if sql.startswith("SELECT minIf(last_offset, "):
            first = asked["first"]
            return [(own.get(first, 0), int(first in own), sum(each > first for each in own))]
        start = "SELECT count() FROM "
        assert sql.startswith(start), f"the sink asks what it never asked: {sql}"
        rows = self._tables.rows[sql[len(start) :].split(maxsplit=1)[0]]
        return [(sum(row[-3:-1] == place and asked["first"] <= row[-1] <= asked["last"] for row in rows),)]

    def _sent(self, request: str) -> Loss | None:
        self._process.give_way(f"before {request}")
        return self._process.draw_loss(request) or self._tables.draw_loss()

    def _answered(self, request: str, loss: Loss | None) -> None:
        self._process.give_way(f"after {request}")
        if loss is not None:
            self._wait(loss.seconds)
            raise OperationalError("no answer")
