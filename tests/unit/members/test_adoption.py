"""A programme where many members are: others go on, each keeps their own order, a kill in between leaves no trace."""

import contextlib
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from streams.engine.events import LogRecord, ProgrammeApplied, StateHandedOver
from streams.members import adoption as adoption_module
from streams.members import step as step_module
from streams.members.record import ADOPTED, ADOPTING, OPEN, PROGRAMME
from tests.step_support import Engine, Partition, State, decision, event, tick

MEMBERS = [f"m{number:03d}" for number in range(35)]


@pytest.fixture(params=[0, 20], ids="{} recent".format)
def partition(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Partition]:
    """With 35 members, of whom ten at most adopt a programme at once."""
    partition = Partition(tmp_path / "0", request.param, due_max=10)
    partition.handle(*(event("e", member, 1) for member in MEMBERS))
    partition.outputs = []
    yield partition
    partition.store.close()


def applied(programme: int, at: int = 2) -> ProgrammeApplied:
    return ProgrammeApplied(occurred_at=at, programme=programme)


def adopted(partition: Partition) -> list[str]:
    """Who of the members has adopted a programme, and is known to have."""
    return [member for member in MEMBERS if any("adopted" in each for each in partition.state(member).seen)]


def left(partition: Partition) -> list[bytes | None]:
    """What is kept of an adoption."""
    return [partition.store.meta(ADOPTING), *(key for key, _ in partition.store.metas(ADOPTED))]


def test_other_members_go_on_while_a_programme_is_adopted(partition: Partition) -> None:
    partition.handle(applied(4), event("other", "zz", 3))
    assert (adopted(partition), partition.commits[-1]) == (MEMBERS[:10], partition.offset), "the log goes on"
    assert partition.state("zz").seen == ["other@P4/None"], "in force for whoever comes"
    partition.handle(event("next", "zz", 4))
    assert adopted(partition) == MEMBERS[:20]
    partition.finish()
    for member in MEMBERS:
        assert partition.state(member).seen == ["e@P0/None", "adopted P4"]
    assert partition.state("zz").seen == ["other@P4/None", "next@P4/None"]
    assert (partition.store.meta(PROGRAMME), left(partition)) == (b"4", [None])


def test_a_member_adopts_it_before_their_next_event(partition: Partition) -> None:
    partition.handle(applied(4), event("late", "m034", 3))
    assert partition.state("m034").seen == ["e@P0/None", "adopted P4", "late@P4/None"]
    partition.finish()
    assert partition.state("m034").seen[1:] == ["adopted P4", "late@P4/None"], "and not again"
    assert left(partition) == [None]


def test_what_was_due_before_it_is_the_earlier_programmes(tmp_path: Path) -> None:
    class Telling(Engine):
        def advance(self, programme: Any, state: State, at: int, *, wall: bool) -> list[Any]:
            state.seen.append(f"until {at} by {programme}")
            return super().advance(programme, state, at, wall=wall)

    partition = Partition(tmp_path / "0", 0, due_max=1)
    partition.use(Telling())
    partition.handle(*(event("e", member, 1, "timer:5") for member in "abc"))
    partition.handle(applied(4, at=6), event("late", "c", 7))
    partition.use(Telling())
    partition.finish()
    for member in "abc":
        assert partition.state(member).seen[:4] == ["e@P0/None", "until 6 by P0", "fired 5", "adopted P4"]
    assert partition.state("c").seen[4:] == ["late@P4/None"]
    partition.store.close()


class Prompt(Engine):
    """Sets a timer when a programme is adopted, and notes the ticks that fire any."""

    def adopt(self, programme: Any, state: State, at: int, *, tick_at: int | None) -> list[Any]:
        state.seen.append(f"adopted {programme}/{tick_at}")
        state.timers.append(at + 3)
        return [decision(state.key, at)]

    def advance(self, programme: Any, state: State, at: int, *, wall: bool) -> list[Any]:
        if any(due <= at for due in state.timers):
            state.seen.append(f"tick {at} of {programme}")
        return super().advance(programme, state, at, wall=wall)


def test_ticks_that_come_meanwhile_fire_what_the_adoption_sets(partition: Partition) -> None:
    partition.use(Prompt())
    partition.handle(tick(2), applied(4), tick(4), tick(6), tick(8), event("late", "m033", 9))
    assert partition.step.open_ticks == 3, "also of those who have adopted it: the portions fire them"
    partition.use(Prompt())
    partition.finish()
    for member in MEMBERS:
        assert partition.state(member).seen[1:4] == ["adopted P4/2", "tick 6 of P4", "fired 5"]
    assert partition.state("m033").seen[4:] == ["late@P4/8"]
    assert (partition.store.meta(OPEN), left(partition)) == (None, [None])
    assert list(partition.store.due_members(100)) == []


def test_a_timer_that_is_due_meanwhile_fires_by_the_new_programme(partition: Partition) -> None:
    partition.use(Prompt())
    partition.handle(event("set", "m034", 2, "timer:4"))
    partition.handle(applied(4), tick(4))
    partition.step.work_off(partition.offset)
    assert partition.state("m034").seen[2:] == ["adopted P4/None", "tick 4 of P4", "fired 4"], "no portion came yet"
    partition.finish()
    assert partition.state("m034").seen[2:].count("adopted P4/None") == 1


@pytest.mark.parametrize("commits", range(5))
def test_killed_in_the_middle_it_goes_on_and_nobody_adopts_it_twice(partition: Partition, commits: int) -> None:
    partition.die_at = len(partition.commits) + commits
    with contextlib.suppress(KeyboardInterrupt):
        partition.handle(applied(4), event("late", "m030", 3), event("new", "m030a", 3))
        partition.finish()
    assert len(partition.commits) == partition.die_at
    died_at = partition.commits[-1]
    partition.die_at = None
    partition.restart()
    if died_at < partition.offset:
        partition.again()
    partition.finish()
    for member in MEMBERS:
        assert partition.state(member).seen[:2] == ["e@P0/None", "adopted P4"]
        assert len(partition.state(member).seen) == 2 + (member == "m030")
    assert partition.state("m030a").seen == ["new@P4/None"]
    assert (partition.store.meta(PROGRAMME), left(partition)) == (b"4", [None])


def test_who_came_after_it_is_not_touched_by_it(partition: Partition) -> None:
    partition.handle(applied(4), event("new", "m020a", 3), event("fails", "m020b", 3, "fail"))
    partition.restart()
    partition.handle(event("again", "m020b", 4))
    partition.finish()
    assert partition.state("m020a").seen == ["new@P4/None"]
    assert partition.state("m020b").seen == ["again@P4/None"]
    assert left(partition) == [None]


def test_a_member_who_cannot_adopt_it_is_put_aside_with_it_once(partition: Partition) -> None:
    class Refusing(Engine):
        def adopt(self, programme: Any, state: State, at: int, *, tick_at: int | None) -> list[Any]:
            if state.key in {"m005", "m025", "m034"}:
                raise ValueError("as told")
            return super().adopt(programme, state, at, tick_at=tick_at)

    partition.use(Refusing())
    place = partition.offset
    partition.handle(applied(4), event("late", "m034", 3))
    partition.use(Refusing())
    partition.handle(event("later", "m034", 4))
    partition.finish()
    assert [(offset, key) for offset, _, key in partition.dead] == [
        (place, b"m005"),
        (place, b"m034"),
        (place, b"m025"),
    ]
    assert partition.state("m034").seen[1:] == ["late@P4/None", "later@P4/None"]


def test_a_programme_that_follows_waits_for_the_first(partition: Partition) -> None:
    partition.handle(applied(4), event("between", "m034", 3), applied(5, at=4), event("late", "m034", 5))
    assert [partition.state(member).seen[1:] for member in ("m000", "m033")] == [
        ["adopted P4", "adopted P5"],
        ["adopted P4"],
    ]
    partition.finish()
    assert partition.state("m033").seen[1:] == ["adopted P4", "adopted P5"]
    assert partition.state("m034").seen[1:] == ["adopted P4", "between@P4/None", "adopted P5", "late@P5/None"]
    assert (partition.store.meta(PROGRAMME), left(partition)) == (b"5", [None])


def test_one_that_follows_is_left_where_the_process_is_to_end(partition: Partition) -> None:
    partition.handle(applied(4), event("between", "zz", 3))
    partition.gives_way = True
    partition.handle(event("first", "zz", 4), applied(5, at=4), event("late", "zz", 5))
    assert partition.reached == partition.commits[-1] == partition.offset - 2
    assert partition.state("zz").seen == ["between@P4/None", "first@P4/None"]
    partition.gives_way = False
    partition.restart()
    del partition.records[0]
    partition.again()
    partition.finish()
    assert partition.reached == partition.offset
    assert partition.state("zz").seen[2:] == ["adopted P5", "late@P5/None"]
    assert partition.state("m034").seen[1:] == ["adopted P4", "adopted P5"]


def test_a_tick_too_many_is_left_where_the_process_is_to_end(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "OPEN_TICKS_MAX", 2)
    partition.handle(applied(4), tick(3), tick(4))
    partition.gives_way = True
    partition.handle(tick(5), tick(6))
    assert (partition.reached, partition.step.open_ticks) == (partition.offset - 2, 2)
    partition.gives_way = False
    partition.again()
    assert not partition.step.is_behind, "too many hold the log up"
    assert adopted(partition) == MEMBERS


def test_too_many_who_were_touched_before_their_turn_hold_the_log_up(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption_module, "AHEAD_MAX", 3)
    partition.handle(applied(4), *(event("late", member, 3) for member in MEMBERS[20:26]))
    partition.handle(event("next", "zz", 4))
    assert adopted(partition) == MEMBERS[:30]
    partition.finish()
    assert left(partition) == [None]


def test_what_a_worker_of_before_left_in_the_middle_is_gone_on_with(partition: Partition) -> None:
    """It held the log up, and the programme was in force only when everyone had adopted it."""
    offset = partition.offset
    partition.store.write([(ADOPTING, b"%d:m009" % offset, None)], len(partition.commits))
    partition.restart()
    assert not partition.step.is_behind
    partition.handle(applied(4))
    partition.finish()
    assert adopted(partition) == MEMBERS[10:], "it had come to the others"


def test_a_place_that_a_worker_of_before_left_of_another_programme_says_nothing(partition: Partition) -> None:
    partition.store.write([(ADOPTING, b"1:m009", None)], len(partition.commits))
    partition.restart()
    partition.handle(applied(4))
    partition.finish()
    assert adopted(partition) == MEMBERS


def test_who_waits_for_a_state_adopts_it_in_their_turn(partition: Partition) -> None:
    partition.move("m030", "visitor:v", "m030", 2)
    partition.move("m031", "m031", "x", 2)
    partition.handle(applied(4, at=3), event("late", "m030", 4), event("late", "m031", 4))
    partition.restart()
    state = Engine().encode(State("visitor:v", ["e0"]))
    arrived = StateHandedOver(occurred_at=2, move_id="m", gone="visitor:v", into="m030", state=state)
    partition.handle(arrived)
    partition.finish()
    assert partition.state("m030").seen[1:] == ["visitor:v ['e0']@2", "adopted P4", "late@P4/None"]
    assert [(key, getattr(item, "event_id", "")) for _, key, item in partition.sent] == [("x", ""), ("x", "late")]


def test_a_state_is_handed_over_after_it_has_adopted_it(partition: Partition) -> None:
    partition.handle(applied(4))
    partition.move("m034", "m034", "x", 3)
    ((_, _, item),) = partition.sent
    assert Engine().decode(item.state).seen == ["e@P0/None", "adopted P4"]
    partition.finish()
    assert left(partition) == [None]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_the_portions_each_member_goes_through_the_same(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log: list[LogRecord] = []
    for at in range(1, 120):
        kind = rng.random()
        if kind < 0.2:
            log.append(tick(at))
        elif kind < 0.3:
            log.append(applied(rng.randrange(1, 9), at + rng.randrange(-3, 4)))
        else:
            do = f"timer:{at + rng.randrange(1, 30)}" if rng.random() < 0.5 else ""
            log.append(event(f"e{at}", f"m{rng.randrange(12):02d}", at, do))
    log.append(tick(200))
    calm = through(Partition(tmp_path / "calm", 3), log, None)
    assert through(Partition(tmp_path / "open", 3, due_max=1), log, rng) == calm


def through(
    partition: Partition, log: Sequence[LogRecord], rng: random.Random | None
) -> dict[str, tuple[list[int], list[str]]]:
    """What each member put out and saw; with `rng`, in batches of all sizes, worked off and restarted at times."""
    partition.use(Prompt())
    rest = list(log)
    while rest:
        size = len(rest) if rng is None else rng.randrange(1, 8)
        partition.handle(*rest[:size])
        del rest[:size]
        if rng is not None and rng.random() < 0.3:
            partition.use(Prompt())
        if rng is not None and rng.random() < 0.3:
            partition.step.work_off(partition.offset)
    partition.finish()
    assert left(partition) == [None]
    outputs: dict[str, list[int]] = defaultdict(list)
    for member, at in partition.outputs:
        outputs[member].append(at)
    found = {key.decode(): partition.state(key.decode()).seen for key, _ in partition.store.members(b"")}
    partition.store.close()
    return {member: (outputs[member], seen) for member, seen in found.items()}
