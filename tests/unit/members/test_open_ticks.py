"""Ticks that find many due: other members go on, each member's own order stays, a kill in between leaves no trace."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.engine.events import Event, ProgrammeApplied, Tick
from streams.members import step as step_module
from streams.members.record import OPEN, due_of
from streams.members.ticks import OpenTick, OpenTicks
from tests.step_support import Engine, Partition, State, event, tick

MEMBERS = [f"m{number:03d}" for number in range(55)]


@pytest.fixture
def partition(tmp_path: Path) -> Iterator[Partition]:
    """With 55 members due at 5, and ten at most fired at once."""
    partition = Partition(tmp_path / "0", recent_max=20, due_max=10)
    partition.handle(*(event("e", member, 1, "timer:5") for member in MEMBERS))
    partition.outputs = []
    yield partition
    partition.store.close()


def test_other_members_go_on_while_a_tick_is_worked_off(partition: Partition) -> None:
    partition.handle(tick(7), event("other", "zz", 8))
    assert partition.outputs == [*((member, 5) for member in MEMBERS[:10]), ("zz", 8)]
    assert partition.commits[-1] == partition.offset, "the log goes on"
    partition.handle(event("next", "zz", 9))
    assert partition.outputs[11:] == [*((member, 5) for member in MEMBERS[10:20]), ("zz", 9)]
    partition.finish()
    assert [each for each in partition.outputs if each[0] != "zz"] == [(member, 5) for member in MEMBERS]
    assert partition.store.meta(OPEN) is None
    assert list(partition.store.due_members(100)) == []


def test_a_members_timers_fire_before_their_next_event(partition: Partition) -> None:
    partition.handle(tick(7), event("last", "m054", 8))
    assert partition.outputs[10:] == [("m054", 5), ("m054", 8)]
    partition.finish()
    assert len(partition.outputs) == 56, "and not again"
    assert partition.state("m054").seen == ["e@P0/None", "fired 5", "last@P0/7"]


def test_ticks_that_follow_wait_behind_and_each_fires_its_own(tmp_path: Path) -> None:
    class Wakeful(Engine):
        """Notes the tick, too."""

        def advance(self, programme: Any, state: State, at: int, *, wall: bool) -> list[Any]:
            state.seen.append(f"tick {at} {wall}")
            return super().advance(programme, state, at, wall=wall)

    partition = Partition(tmp_path / "0", recent_max=0, due_max=1)
    partition.use(Wakeful())
    partition.handle(*(event("e", member, 1, "timer:5") for member in "abc"), event("e", "c", 1, "timer:8"))
    partition.handle(tick(7), Tick(occurred_at=9, wall=True), tick(9), event("later", "b", 9, "timer:20"))
    assert partition.step.open_ticks == 2
    partition.use(Wakeful())
    assert partition.step.open_ticks == 2
    partition.finish()
    assert partition.state("b").seen == ["e@P0/None", "tick 7 False", "fired 5", "later@P0/9"]
    assert partition.state("c").seen[2:] == ["tick 7 False", "fired 5", "tick 9 True", "fired 8"]
    partition.store.close()


def test_a_member_whose_timer_moved_counts_once(tmp_path: Path) -> None:
    partition = Partition(tmp_path / "0", recent_max=20, due_max=3)
    moved = [event(f"e{at}", member, 1, f"timer:{at}") for at in (7, 6, 5) for member in "abc"]
    partition.handle(*moved, tick(7), tick(8))
    assert partition.step.open_ticks == 0, "or the order of outputs would depend on where the log is cut"
    assert [member for member, _ in partition.outputs[len(moved) :]] == ["a"] * 3 + ["b"] * 3 + ["c"] * 3
    partition.store.close()


def test_killed_in_the_middle_it_goes_on_and_fires_nothing_twice(partition: Partition) -> None:
    partition.handle(tick(7), event("other", "zz", 8))
    partition.die_at = len(partition.commits) + 2
    with pytest.raises(KeyboardInterrupt):
        partition.finish()
    assert len(partition.outputs) == 31
    partition.die_at = None
    partition.restart()
    assert partition.step.open_ticks == 1
    partition.finish()
    assert partition.outputs == [*((m, 5) for m in MEMBERS[:10]), ("zz", 8), *((m, 5) for m in MEMBERS[10:])]


def test_a_programme_waits_for_what_is_due_before_it(partition: Partition) -> None:
    partition.handle(tick(7), ProgrammeApplied(occurred_at=8, programme=4))
    assert partition.step.open_ticks == 0
    partition.finish()
    for member in MEMBERS:
        assert partition.state(member).seen == ["e@P0/None", "fired 5", "adopted P4"]


def test_a_member_who_cannot_be_fired_is_put_aside_with_the_tick_and_parked(partition: Partition) -> None:
    partition.handle(event("e", "n-stuck", 1, "timer:5"))
    partition.handle(tick(7))
    place = partition.offset - 1
    partition.restart()
    partition.finish()
    assert [(offset, key) for offset, _, key in partition.dead] == [(place, b"n-stuck")]
    (record,) = partition.store.get([b"n-stuck"])
    assert record is not None
    assert due_of(record) is None


def test_too_many_open_ticks_hold_the_log_up(partition: Partition, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step_module, "OPEN_TICKS_MAX", 3)
    partition.handle(*(tick(at) for at in range(7, 10)))
    assert partition.step.open_ticks == 3
    partition.handle(tick(10))
    assert (partition.step.open_ticks, len(partition.outputs)) == (0, 55)


def test_an_open_tick_is_found_by_what_is_due() -> None:
    ticks = OpenTicks(None)
    assert not ticks
    for at in (5, 7, 7, 6, 9):
        ticks.append(OpenTick(at, wall=at == 9, offset=at))
    again = OpenTicks(ticks.encode())
    assert (len(again), again.until) == (3, 9)
    assert [again.first_for(due).at for due in (1, 5, 6, 7, 8, 9)] == [5, 5, 7, 7, 9, 9]
    assert again.first_for(9) == OpenTick(9, wall=True, offset=9)
    again.passed(7)
    assert len(again) == 2
    again.passed(None)
    assert again.encode() is None


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_portions_each_member_goes_through_the_same(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log: list[Event | Tick | ProgrammeApplied] = []
    for at in range(1, 120):
        kind = rng.random()
        if kind < 0.3:
            log.append(tick(at))
        elif kind < 0.32:
            log.append(ProgrammeApplied(occurred_at=at, programme=rng.randrange(1, 9)))
        else:
            do = f"timer:{at + rng.randrange(1, 30)}" if rng.random() < 0.7 else ""
            log.append(event(f"e{at}", f"m{rng.randrange(8)}", at, do))
    log.append(tick(200))
    assert through(Partition(tmp_path / "open", 3, due_max=1), log, rng) == through(
        Partition(tmp_path / "calm", 3), log, None
    )


def through(
    partition: Partition, log: Sequence[Event | Tick | ProgrammeApplied], rng: random.Random | None
) -> dict[str, tuple[list[int], list[str]]]:
    """What each member put out and saw; with `rng`, in batches of all sizes, worked off and restarted at times."""
    rest = list(log)
    while rest:
        size = len(rest) if rng is None else rng.randrange(1, 8)
        partition.handle(*rest[:size])
        del rest[:size]
        if rng is not None and rng.random() < 0.3:
            partition.restart()
        if rng is not None and rng.random() < 0.3:
            partition.step.work_off(partition.offset)
    partition.finish()
    outputs: dict[str, list[int]] = defaultdict(list)
    for member, at in partition.outputs:
        outputs[member].append(at)
    found = {key.decode(): partition.state(key.decode()).seen for key, _ in partition.store.members(b"")}
    partition.store.close()
    return {member: (outputs[member], seen) for member, seen in found.items()}
