"""A batch step by step, on a real store and a small engine: order, ticks, programmes, and an engine that fails."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from streams.engine.events import Event, ProgrammeApplied
from streams.members.record import ADOPTING, PROGRAMME, TICK, due_of
from tests.step_support import Engine, Partition, State, event, tick


@pytest.fixture(params=[0, 2, 1000], ids="{} recent".format)
def partition(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Partition]:
    """With as many members as stated kept in memory from batch to batch."""
    partition = Partition(tmp_path / "0", request.param)
    yield partition
    partition.store.close()


def test_events_are_handled_in_order_and_committed_once(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1), event("e2", "b", 2), event("e3", "a", 3))
    assert partition.state("a").seen == ["e1@P0/None", "e3@P0/None"]
    assert partition.outputs == [("a", 1), ("b", 2), ("a", 3)]
    assert partition.commits == [3]


def test_a_tick_fires_in_order_of_due_then_key_from_store_and_memory_alike(partition: Partition) -> None:
    partition.handle(event("e1", "c", 1, "timer:20"), event("e2", "b", 1, "timer:20"), event("e3", "z", 1, "timer:90"))
    partition.outputs.clear()
    partition.handle(event("e4", "a", 2, "timer:10"), event("e5", "b", 2, "timer:15"), tick(50))
    assert partition.outputs == [("a", 2), ("b", 2), ("a", 10), ("b", 20), ("b", 15), ("c", 20)]
    assert partition.state("b").timers == []
    assert partition.state("z").timers == [90]
    partition.handle(tick(60), tick(90))
    assert partition.outputs[-1] == ("z", 90)


def test_the_last_tick_is_known_to_later_events_and_after_a_restart(partition: Partition) -> None:
    partition.handle(tick(40), event("e1", "a", 1))
    partition.restart()
    partition.handle(event("e2", "a", 2))
    assert partition.state("a").seen == ["e1@P0/40", "e2@P0/40"]
    assert partition.store.meta(TICK) == b"40"


def test_an_event_that_the_engine_cannot_handle_leaves_its_member_as_before(partition: Partition) -> None:
    partition.handle(event("e0", "a", 1))
    partition.handle(
        event("e1", "a", 1, "timer:9"),
        event("e2", "a", 2, "fail"),
        event("e3", "a", 3, "odd"),
        event("e4", "b", 4),
        b"no Avro",
        event("e5", "a", 5),
    )
    assert partition.state("a").seen == ["e0@P0/None", "e1@P0/None", "e5@P0/None"]
    assert partition.state("a").timers == [9]
    assert [(offset, key) for offset, _, key in partition.dead] == [(2, b"a"), (3, b"a"), (5, None)]
    assert partition.dead[0][1].startswith("the engine failed: ValueError in step_support.py, line ")
    assert partition.outputs == [("a", 1), ("a", 1), ("b", 4), ("a", 5)]


def test_a_member_whose_timer_cannot_fire_is_parked_until_its_next_event(partition: Partition) -> None:
    partition.handle(event("e1", "stuck", 1, "timer:5"), event("e2", "a", 1, "timer:5"))
    partition.handle(tick(10))
    assert [key for _, _, key in partition.dead] == [b"stuck"]
    assert partition.state("a").timers == []
    (record,) = partition.store.get([b"stuck"])
    assert record is not None
    assert due_of(record) is None
    partition.handle(tick(20))
    assert len(partition.dead) == 1, "not again with every tick"
    partition.handle(event("e3", "stuck", 21))
    assert partition.state("stuck").seen[-1] == "e3@P0/20"
    (record,) = partition.store.get([b"stuck"])
    assert record is not None
    assert due_of(record) is None
    assert [key for _, _, key in partition.dead] == [b"stuck", b"stuck"], "tried again, with the event"


def test_a_programme_reaches_every_member_where_it_stands(partition: Partition) -> None:
    members = [f"m{number:03d}" for number in range(35)]
    partition.handle(*(event("e", member, 1) for member in members))
    partition.handle(ProgrammeApplied(occurred_at=2, programme=4), event("late", "m000", 3))
    assert not partition.step.is_behind
    for member in members:
        assert partition.state(member).seen[:2] == ["e@P0/None", "adopted P4"]
    assert partition.state("m000").seen[2:] == ["late@P4/None"]
    assert (partition.store.meta(PROGRAMME), partition.store.meta(ADOPTING)) == (b"4", None)
    partition.restart()
    partition.handle(event("after", "m001", 9))
    assert partition.state("m001").seen[-1] == "after@P4/None"


class Frugal(Engine):
    """Takes purchases without their lines, but for members whose name says otherwise; programme 4 wants them all."""

    def handle(self, programme: Any, state: State, event: Event, *, tick_at: int | None) -> list[Any]:
        state.seen.append("lines" if "lines" in event.body else "none")
        return []

    def recordless_types(self, programme: Any) -> frozenset[str]:
        return frozenset() if programme == "P4" else frozenset({"purchase_completed"})

    def needs_records(self, state: State) -> bool:
        return "curious" in state.key


def test_lists_of_records_come_to_those_who_look_at_them(partition: Partition) -> None:
    partition.use(Frugal())
    members = [f"m{number}" for number in range(40)]
    buyers = [*members, "curious", "m0"]
    partition.handle(*map(purchase, buyers), ProgrammeApplied(occurred_at=2, programme=4), purchase("late"))
    assert partition.state("curious").seen == ["lines", "adopted P4"]
    assert partition.state("m0").seen == ["none", "none", "adopted P4"]
    assert partition.state("late").seen == ["lines"], "a programme that came into force meanwhile looks at them"
    partition.handle(*map(purchase, buyers))
    assert partition.state("m1").seen[-1] == "lines"


def purchase(member: str) -> Event:
    body = {"total": Decimal(1), "lines": [{"sku": "1", "name": "milk"}]}
    header = {"event_id": "p", "type": "purchase_completed", "occurred_at": 1, "source": "s"}
    return Event(**header, key=member, member_id=member, body=body)  # type: ignore[arg-type]


class Counting(Engine):
    """Counts the states that it reads."""

    read = 0

    def decode(self, data: bytes) -> State:
        self.read += 1
        return super().decode(data)


def test_who_comes_again_is_as_they_were(partition: Partition) -> None:
    engine = Counting()
    partition.use(engine)
    partition.handle(*(event("e1", member, 1) for member in "abcd"))
    partition.handle(event("e2", "d", 2), event("e3", "c", 2, "fail"))
    assert engine.read == 3, "c is made again, since the engine failed it"
    partition.handle(event("e4", "a", 3), event("e5", "c", 3))
    assert partition.state("a").seen == ["e1@P0/None", "e4@P0/None"]
    assert partition.state("c").seen == ["e1@P0/None", "e5@P0/None"]
    assert partition.state("d").seen == ["e1@P0/None", "e2@P0/None"]
