"""The ClickHouse sinks in the simulation, with everything around them that can go wrong, by seeds.

They are killed, asleep and replaced while records come; requests and answers are lost, arrive late, or find a server
that dies in the middle. At the end every committed record stands in its tables once, whatever batches came again.

More seeds than CI runs:

    REKINDLE_TEST_SEEDS=5000 make test TESTS=tests/pipeline/test_sinks.py
"""

from collections import Counter, deque
from collections.abc import Callable, Collection
from typing import Any

import pytest

from sinks.clickhouse import batches, consumer, write
from sinks.clickhouse.batch import Batch, Limits
from sinks.clickhouse.batch import Stored as Record
from sinks.clickhouse.decode import make_decoder
from sinks.clickhouse.rows import tables
from sinks.clickhouse.run import topics
from sinks.clickhouse.write import make_blocks
from streams.topics import SENT_ON
from tests.pipeline.partition import Stored
from tests.pipeline.sink import SinkProcess
from tests.pipeline.tables import Tables
from tests.pipeline.test_pipeline import failures_of
from tests.pipeline.world import Slot, World

TEST = "tests/pipeline/test_sinks.py::test_every_record_is_in_the_tables_once_whatever_goes_wrong"
SEEDS_MAX = 150
PLACES = tuple(f"sink {when} {name}" for when in ("before", "after") for name in ("join", "fetch", "query", "insert"))
FEED = 0.02  # of the steps: something comes into the log
LATE_CHANCE = 0.02  # that what is late arrives, in each step


class SinkWorld(World):
    """A run of sinks alone. What the stages put out in a run of theirs comes into their log bit by bit."""

    def __init__(self, seed: int, *, only: Collection[str] = ()) -> None:
        super().__init__(seed, sealed=False, only=only)
        source = World(seed, sealed=False, profiles=True)
        source.run()
        self.tables = Tables(seed)
        self.topics = [topic for topic in topics() if topic in source.log.topics]
        self._feed = {
            (topic, number): deque(found)
            for topic in self.topics
            for number, partition in enumerate(source.log.topics[topic])
            if (found := partition.committed())
        }
        for topic in self.topics:
            if topic not in self.log.topics:
                self.log.create_topic(topic, len(source.log.topics[topic]))
        rng = self.rng
        self.limits = Limits(records_max=rng.choice((2, 5, 20)), linger_s=rng.choice((0.0, 0.2, 1.0)))
        self.kinds["sink"] = SinkProcess
        self.stages, self.places, self._slots = ("sink",), (PLACES,), []
        for number in range(rng.choice((1, 2, 3))):
            self._add_slot("sink", f"sink-{number}" if rng.random() < 0.5 else None)

    def run(self) -> None:
        """Run it all. Raises `StuckError`."""
        while self._feed:
            if self.rng.random() < FEED:
                self._put_in(self.rng.choice([*self._feed]))
            self._step()
        for _ in range(self.rng.randrange(2000)):
            self._step()
        self.heal()
        self.until(lambda: self.is_handled("sink"))

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        super().heal()
        self.tables.losing = 0.0

    def _put_in(self, place: tuple[str, int]) -> None:
        """Put the next records of a partition into the log; at times an offset is left out, as by a marker."""
        waiting = self._feed[place]
        for _ in range(min(len(waiting), self.rng.choice((1, 1, 5, 50)))):
            record = waiting.popleft()
            self.log.append(place, [(record.key, record.value, record.timestamp, record.headers)])
        if self.rng.random() < 0.3:
            self.log.partition(place).mark(-1, committed=True, timestamp=self.clock())
        if not waiting:
            del self._feed[place]

    def _start(self, slot: Slot) -> None:
        super()._start(slot)
        assert isinstance(slot.process, SinkProcess)
        slot.process.tables, slot.process.topics, slot.process.limits = self.tables, self.topics, self.limits

    def _step(self) -> None:
        super()._step()
        self.tables.deliver(LATE_CHANCE)

    def is_handled(self, stage: str) -> bool:
        """Tell whether all stands in the tables."""
        assert stage == "sink"
        sinks = [each for each in self._processes() if isinstance(each, SinkProcess)]
        return not any(each.unwritten for each in sinks) and all(
            any(each.has_written((topic, number), records[-1].offset) for each in sinks)
            for topic in self.topics
            for number, partition in enumerate(self.log.topics[topic])
            if (records := partition.committed())
        )


def check_tables(world: SinkWorld) -> None:
    """Check that the tables hold the rows of every committed record, once, and no others."""
    world.tables.deliver(1.0)
    decode = make_decoder(world.codec)
    expected: dict[str, Counter[tuple[Any, ...]]] = {table.name: Counter() for table in tables()}
    for topic in world.topics:
        for number, partition in enumerate(world.log.topics[topic]):
            if records := partition.committed():
                first, last = records[0].offset, records[-1].offset
                batch = Batch(topic, number, first, last, tuple(map(_record, records)), decided=True, suspect=False)
                for block in make_blocks(batch, decode):
                    expected[block.table.name].update(_hashable(row) for row in zip(*block.columns, strict=True))
    for table in tables():
        found = Counter(_hashable(row) for row in world.tables.rows[table.name])
        missing, more = expected[table.name] - found, found - expected[table.name]
        assert not missing, f"{table.name} lacks {sum(missing.values())} rows: {list(missing)[:1]}"
        if not table.latest_only:
            assert not more, f"{table.name} has {sum(more.values())} rows too many: {list(more)[:1]}"


def _record(stored: Stored) -> Record:
    sent_on = SENT_ON in dict(stored.headers)
    return Record(stored.offset, stored.timestamp, stored.key, stored.value, sent_on)


def _hashable(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(repr(value) if isinstance(value, list | dict) else value for value in row)


def run(seed: int, *, only: Collection[str] = ()) -> SinkWorld:
    world = SinkWorld(seed, only=only)
    world.run()
    check_tables(world)
    return world


@pytest.mark.timeout(3600)
def test_every_record_is_in_the_tables_once_whatever_goes_wrong() -> None:
    assert failures_of(run, TEST, in_ci=60) == []


def test_a_seed_is_one_history() -> None:
    def history(seed: int) -> list[object]:
        world = run(seed)
        return [world.trace, dict(world.tables.rows)]

    assert history(6) == history(6)
    assert history(6) != history(7)


def test_what_the_tables_can_do_to_a_sink_is_done() -> None:
    found = Counter[str]()
    for seed in range(60):
        world = run(seed)
        found.update(repeated=world.tables.repeated, lost=world.tables.lost, late=world.tables.delayed)
    assert min(found["repeated"], found["lost"], found["late"]) > 10, found


def test_sinks_die_around_every_step_of_a_batch() -> None:
    killed: set[str] = set()
    for seed in range(300):
        killed |= run(seed, only=("kill", "lose")).killed_at
        if killed >= set(PLACES):
            break
    assert set(PLACES) - killed == set()


Patch = Callable[[pytest.MonkeyPatch], None]


def batches_that_nobody_agrees_on(patch: pytest.MonkeyPatch) -> None:
    """Each sink forms batches as it reads."""
    original = batches.decide

    def decide(client: Any, topic: str, partition: int, first: int, last: int) -> int:
        original(client, topic, partition, first, last)
        return last

    patch.setattr(write, "decide", decide)


def sinks_that_trust_what_was_decided(patch: pytest.MonkeyPatch) -> None:
    """A partition goes on behind its last batch, whether all of it is in the tables or not."""
    original = batches.last_batches

    def behind(client: Any) -> Any:
        return {place: batches.Range(each.last + 1, each.last) for place, each in original(client).items()}

    patch.setattr(consumer, "last_batches", behind)


def inserts_without_a_token(patch: pytest.MonkeyPatch) -> None:
    original = Tables.insert
    number = iter(range(10**9))

    def insert(self: Tables, table: str, rows: Any, token: str, **options: Any) -> None:
        original(self, table, rows, token if table == "sink_batches" else str(next(number)), **options)

    patch.setattr(Tables, "insert", insert)


def rows_that_nobody_counts(patch: pytest.MonkeyPatch) -> None:
    """A token that is known is taken for rows that are there."""
    patch.setattr(write, "_insert_again_if_lost", lambda *_arguments: None)


def decisions_that_nobody_looks_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(batches, "PROPOSALS_MAX", 1)


SABOTAGES: tuple[Patch, ...] = (
    batches_that_nobody_agrees_on,
    sinks_that_trust_what_was_decided,
    inserts_without_a_token,
    rows_that_nobody_counts,
    decisions_that_nobody_looks_for,
)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
def test_what_is_broken_by_hand_is_found(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    for seed in range(SEEDS_MAX):
        try:
            run(seed)
        except AssertionError:
            return
    raise AssertionError(f"{sabotage.__name__} went unnoticed for {SEEDS_MAX} seeds")
