"""Several partitions at once, over the log in memory: how much one transaction holds, and what goes on within it."""

from collections.abc import Container, Sequence
from pathlib import Path

import pytest

from streams.engine.events import Event, Tick
from streams.errors import RekindleError
from streams.members import stage as stage_module
from streams.members import step as step_module
from streams.members.record import PARTITIONS as PARTITIONS_KEPT
from streams.members.stage import MembersStage
from streams.members.step import DUE_MAX, Part
from streams.runtime.batch import Batch
from streams.runtime.group_metadata import encode_group_metadata
from streams.runtime.transactions import TransactionalProducer
from streams.settings import Settings
from streams.topics import COPARTITIONED, DEAD_LETTERS, MEMBER_EVENTS, PROGRAMMES, members_changelog, members_group
from tests.pipeline.consumer import Membership
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.pipeline.partition import Partition
from tests.pipeline.store import MemoryStore
from tests.step_support import CODEC, Engine, Record, event, tick

PARTITIONS = 4


class Stage(MembersStage):
    """Notes how many members of which partition each transaction had, and when the stores were asked what is due."""

    def __init__(self, due_max: int = DUE_MAX) -> None:
        clock, settings = Clock(1000), Settings()
        log = self.log = Log(clock)
        for topic in (*COPARTITIONED, DEAD_LETTERS, "decisions"):
            log.create_topic(topic, PARTITIONS)
        log.create_topic(PROGRAMMES, 1)
        network = Network(log, clock)
        kafka = MemoryKafka(network)
        producer = TransactionalProducer(kafka, self.name, "test")  # type: ignore[arg-type]
        self.commits: list[dict[int, int]] = []
        self.is_to_end = False
        self.gives_way = lambda: self.is_to_end
        self.asked_in_transaction: list[bool] = []
        stage = self

        class Store(MemoryStore):
            def earliest_due(self, but_for: Container[bytes] = ()) -> int | None:
                stage.asked_in_transaction.append(producer._producer._in_transaction)
                return super().earliest_due(but_for)

        super().__init__(
            settings,
            kafka,  # type: ignore[arg-type]
            CODEC,
            producer,
            engine=Engine(),
            directory=Path(),
            clock=clock,
            open_store=Store,
            due_max=due_max,
        )
        self.start()
        membership = Membership(log, network, members_group(settings), self.topics, {})
        while membership.generation is None:
            membership.step(lambda: None, lambda: None, lambda: None)
            network.wait(1)
        self.group = encode_group_metadata(
            members_group(settings), membership.generation, membership.member_id or "", None
        )
        self.recover(range(PARTITIONS), lambda: False)
        self.begin()

    def begin(self) -> None:
        """Take all partitions from the beginning."""
        inputs = [(MEMBER_EVENTS, number) for number in range(PARTITIONS)]
        self.open(dict.fromkeys(inputs))
        self.read_from(dict.fromkeys(inputs, 0))

    def _flush(self, parts: Sequence[Part]) -> None:
        self.commits.append({part.partition: len(part.overlay) for part in parts})
        super()._flush(parts)

    def take(self, start: int, *items: Event | Tick) -> None:
        """Handle these in every partition at once."""
        records = [
            Record(start + place, item.key.encode() if isinstance(item, Event) else None, CODEC.encode(item))
            for place, item in enumerate(items)
        ]
        self.commits.clear()
        end = start + len(records)
        batches = [Batch(MEMBER_EVENTS, number, records, start, end, at_end=True) for number in range(PARTITIONS)]
        self.handle(batches, self.group)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_ticks_in_many_partitions_are_no_more_at_once_than_memory_may_hold(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.take(0, *(event("e", member, 1, "timer:10") for member in "abc"))
    assert stage.commits == [{0: 3, 1: 3, 2: 3, 3: 3}], "few, in one transaction"
    monkeypatch.setattr(stage_module, "MEMBERS_MAX", 4)
    stage.take(3, tick(20))
    assert stage.commits == [{0: 3, 1: 3, 2: 3}, {3: 3}]
    stage.take(4, tick(30))
    assert stage.commits == [{0: 0, 1: 0, 2: 0, 3: 0}], "what was committed is not due again"


def test_no_transaction_is_open_while_the_stores_are_asked_what_is_due(stage: Stage) -> None:
    stage.take(0, event("e", "a", 1, "timer:10"))
    assert stage.asked_in_transaction == [False] * PARTITIONS


def test_who_is_to_give_way_goes_no_further_than_the_last_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "OPEN_TICKS_MAX", 1)
    stage = Stage(due_max=1)
    stage.take(0, *(event("e", member, 1, "timer:10") for member in "abc"), tick(20))
    first = Batch(MEMBER_EVENTS, 2, [Record(4, None, CODEC.encode(tick(30)))], 4, 5, at_end=False)
    second = Batch(MEMBER_EVENTS, 2, [Record(5, b"d", CODEC.encode(event("e", "d", 31)))], 5, 6, at_end=True)
    stage.is_to_end = True
    stage.handle([first, second], stage.group)
    assert stage.next_offsets() == {(MEMBER_EVENTS, number): 4 for number in range(PARTITIONS)}
    assert stage._steps[2].is_behind
    stage.is_to_end = False
    stage.handle([first, second], stage.group)
    assert stage.next_offsets()[MEMBER_EVENTS, 2] == 6
    assert not stage._steps[2].is_behind


@pytest.mark.parametrize("has_local_state", [True, False])
def test_partitions_that_were_added_end_the_start(stage: Stage, *, has_local_state: bool) -> None:
    """Members would be looked for in other partitions than those in which their states are."""
    stage.take(0, event("e", "a", 1))
    if not has_local_state:
        stage._stores.clear()
    stage.start()
    stage.recover(range(PARTITIONS), lambda: False)
    for topic in (*COPARTITIONED, members_changelog(Settings())):
        stage.log.topics[topic] += [Partition() for _ in range(PARTITIONS)]
    stage.start()
    with pytest.raises(RekindleError, match=r"has 8 partitions.* was written with 4.*anew with REKINDLE_PARTITIONS=4"):
        stage.recover(range(PARTITIONS * 2), lambda: False)


def test_states_of_before_that_do_not_say_with_how_many_partitions_are_taken_with_as_many_as_there_are(
    stage: Stage,
) -> None:
    stage.take(0, event("e", "a", 1))
    for store in stage._stores.values():
        assert store.meta(PARTITIONS_KEPT) == b"4"
        store.files.meta.pop(PARTITIONS_KEPT)
    stage.recover(range(PARTITIONS), lambda: False)
    stage.begin()
    stage.take(0, event("e", "a", 1))
    assert {store.meta(PARTITIONS_KEPT) for store in stage._stores.values()} == {b"4"}
    stage.take(1, event("e2", "a", 2))
    changelog = stage.log.topics[members_changelog(Settings())][0]
    assert [each.key for each in changelog.committed()].count(PARTITIONS_KEPT) == 2, "only where it isn't there"


def test_a_changelog_with_another_number_of_partitions_is_not_to_be_given_more(stage: Stage) -> None:
    for topic in COPARTITIONED:
        stage.log.topics[topic] += [Partition() for _ in range(PARTITIONS)]
    with pytest.raises(RekindleError, match=r"has 4 partitions and not 8: the number can't be changed"):
        stage.start()
