"""States that are handed over, on a real store and a small engine: who waits, for how long, and what comes of it."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import HANDED_OVER_BYTES_MAX
from streams import metrics
from streams.engine import step
from streams.engine.events import Event, ProgrammeApplied, StateHandedOver, StateMoved
from streams.engine.state import MemberState, new
from streams.engine.state_bytes import decode, encode
from streams.kafka import MESSAGE_BYTES_MAX
from streams.members import held as held_module
from streams.members import moves
from streams.members.engine import RealEngine
from streams.members.record import MOVED, due_of, pack
from streams.programme import Programme, load
from streams.programme.programme import EMPTY
from tests.simulation.support import bundle, directory
from tests.step_support import CODEC, Engine, Partition, State, event, tick


@pytest.fixture(params=[0, 1000], ids="{} recent".format)
def partition(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Partition]:
    partition = Partition(tmp_path / "0", request.param)
    yield partition
    partition.store.close()


def handed(state: State | None, at: int = 5, move_id: str = "m", gone: str = "visitor:v") -> StateHandedOver:
    data = None if state is None else Engine().encode(state)
    return StateHandedOver(occurred_at=at, move_id=move_id, gone=gone, into="a", state=data)


VISITOR = State("visitor:v", ["e0"], [30])


def test_a_state_is_handed_over_and_what_comes_later_is_sent_on_to_the_heir(
    partition: Partition,
) -> None:
    partition.handle(event("e0", "visitor:v", 1, "timer:50"))
    partition.move("visitor:v", "visitor:v", "a", 5)
    ((topic, key, item),) = partition.sent
    assert (topic, key, item.gone, item.into) == ("control", "a", "visitor:v", "a")
    assert Engine().decode(item.state).seen == ["e0@P0/None"]
    partition.restart()
    partition.handle(event("e1", "visitor:v", 6), tick(60))
    topic, key, item = partition.sent[1]
    assert (topic, key, item.event_id) == ("control", "a", "e1")
    assert partition.outputs == [("visitor:v", 1)], "its timer is the heir's"


def test_a_name_that_nobody_used_hands_nothing_over(partition: Partition) -> None:
    partition.move("visitor:v", "visitor:v", "a", 5)
    assert partition.sent == [("control", "a", handed(None))]


def test_a_forgotten_link_lets_the_name_begin_anew(partition: Partition) -> None:
    partition.move("visitor:v", "visitor:v", "a", 5)
    partition.move("visitor:v", "visitor:v", None, 7)
    assert partition.store.get([b"visitor:v"]) == [None]
    partition.handle(event("e1", "visitor:v", 8))
    assert partition.state("visitor:v").seen == ["e1@P0/None"]


def test_who_waits_for_a_state_is_handled_as_if_there_had_been_no_wait(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1, "timer:20"), tick(2))
    partition.move("a", "visitor:v", "a", 5)
    partition.handle(event("e2", "a", 5, "timer:70"), tick(40), event("e3", "a", 41), event("e9", "b", 41))
    partition.restart()
    partition.handle(ProgrammeApplied(occurred_at=42, programme=1))
    partition.handle(event("e4", "a", 43), tick(90))
    assert partition.outputs == [("a", 1), ("b", 41)], "others go on, of this one nothing fires"
    (value,) = partition.store.get([b"a"])
    assert value is not None
    assert due_of(value) is None
    partition.handle(handed(VISITOR))
    assert partition.state("a").seen == [
        "e1@P0/None",
        "visitor:v ['e0']@5",
        "e2@P0/2",
        "fired 20",
        "fired 30",
        "e3@P0/40",
        "adopted P1",
        "e4@P1/40",
        "fired 70",
    ]


def test_several_states_become_part_in_the_order_of_the_log_whichever_comes_first(partition: Partition) -> None:
    partition.move("a", "visitor:v", "a", 5, "m1")
    partition.move("a", "card:1", "a", 5, "m2")
    partition.handle(event("e1", "a", 5), handed(State("card:1"), move_id="m2", gone="card:1"))
    assert partition.outputs == []
    partition.restart()
    partition.handle(handed(State("visitor:v"), move_id="m1"))
    assert partition.state("a").seen == ["visitor:v []@5", "card:1 []@5", "e1@P0/None"]


def test_what_was_handed_over_before_changes_nothing_when_it_comes_again(partition: Partition) -> None:
    partition.move("a", "visitor:v", "a", 5)
    partition.handle(handed(VISITOR), handed(VISITOR))
    assert partition.state("a").seen == ["visitor:v ['e0']@5"]


def test_too_much_is_not_kept_and_the_state_becomes_part_when_it_comes(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_module, "KEPT_MAX", 3)
    partition.move("a", "visitor:v", "a", 5)
    partition.handle(*(event(f"e{number}", "a", 6) for number in range(6)))
    assert [at for _, at in partition.outputs] == [6] * 6
    partition.restart()
    partition.handle(handed(VISITOR), handed(VISITOR))
    assert [line.partition("@")[0] for line in partition.state("a").seen] == [
        *(f"e{number}" for number in range(6)),
        "visitor:v ['e0']",
    ]


def test_the_state_of_who_waits_counts_as_what_is_kept(partition: Partition) -> None:
    partition.handle(*(event(f"{number}" * 300_000, "a", 1) for number in range(2)))
    partition.move("a", "visitor:v", "a", 5)
    partition.handle(event("e1", "a", 6, "x" * 200_000))
    partition.restart()
    assert partition.outputs[2:] == []
    partition.handle(event("e2", "a", 7, "x" * 200_000))
    assert partition.outputs[2:] == [("a", 6), ("a", 7)], "together it is too much for one record"
    partition.handle(handed(VISITOR))
    assert partition.state("a").seen[-1].startswith("visitor:v")


def test_states_that_came_count_as_what_is_kept(partition: Partition) -> None:
    for number in range(1, 4):
        partition.move("a", f"card:{number}", "a", 5, f"m{number}")
    partition.handle(event("e1", "a", 6))
    large = State("card:2", ["x" * 500_000])
    partition.handle(handed(large, move_id="m2", gone="card:2"))
    partition.restart()
    assert partition.outputs == []
    partition.handle(handed(large, move_id="m3", gone="card:3"))
    assert partition.outputs == [("a", 5), ("a", 5), ("a", 6)], "nobody waits for the first any more"
    partition.handle(handed(State("card:1"), move_id="m1", gone="card:1"))
    assert partition.state("a").seen[-1].startswith("card:1")


def test_who_is_merged_away_while_waiting_sends_on_what_waits_and_what_is_waited_for(partition: Partition) -> None:
    partition.move("a", "visitor:v", "a", 5, "m1")
    partition.handle(event("e1", "a", 5))
    partition.move("a", "card:1", "a", 6, "m2")
    partition.move("a", "a", "b", 7, "m3")
    partition.move("a", "card:2", "a", 8, "m4")
    partition.handle(event("e2", "a", 8), handed(VISITOR, move_id="m1"))
    assert partition.sent == [], "the second state hasn't come"
    partition.handle(handed(State("card:1"), 6, "m2", "card:1"))
    kinds = [(topic, key, type(item).__name__) for topic, key, item in partition.sent]
    assert kinds == [
        ("control", "b", "StateHandedOver"),
        ("control", "b", "StateMoved"),
        ("control", "b", "Event"),
    ]
    given, awaited, _ = (item for *_, item in partition.sent)
    assert Engine().decode(given.state).seen == ["visitor:v ['e0']@5", "e1@P0/None", "card:1 []@6"]
    assert awaited == StateMoved(occurred_at=8, move_id="m4", gone="card:2", into="a")
    partition.handle(handed(State("card:2"), 8, "m4", "card:2"))
    assert partition.sent[-1][:2] == ("control", "b"), "what comes for who is gone goes on, too"


def test_of_two_merged_into_each_other_at_once_the_smaller_id_stays(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1), event("e2", "b", 1))
    partition.move("a", "a", "b", 5, "m1")
    partition.move("b", "b", "a", 5, "m2")
    from_a, from_b = (item for *_, item in partition.sent)
    partition.sent.clear()
    partition.handle(from_b)
    assert partition.state("a").seen == ["b ['e2@P0/None']@5"]
    partition.records = [type(partition.records[0])(partition.offset, b"b", CODEC.encode(from_a))]
    partition.offset += 1
    partition.again()
    ((topic, key, own),) = partition.sent
    partition.handle_under(key, own)
    assert (topic, key) == ("control", "a")
    assert partition.state("a").seen == ["b ['e2@P0/None']@5", "a ['e1@P0/None']@5"], "nor is what it had lost"


def test_a_state_that_cannot_be_read_is_put_aside_and_the_member_goes_on(partition: Partition) -> None:
    partition.move("a", "visitor:v", "a", 5)
    bad = StateHandedOver(occurred_at=5, move_id="m", gone="visitor:v", into="a", state=b"\xc1 no state")
    partition.handle(event("e1", "a", 5), bad)
    assert partition.state("a").seen == ["e1@P0/None"]
    assert [(key, "failed" in reason) for _, reason, key in partition.dead] == [(b"a", True)]


def test_who_is_sent_their_own_state_keeps_it(partition: Partition) -> None:
    """Three were merged in a circle at once: it goes round, and ends."""
    partition.handle(event("e1", "a", 1))
    partition.move("a", "a", "b", 5, "m1")
    ((*_, own),) = partition.sent
    partition.handle_under("a", own)
    assert partition.state("a").seen == ["a ['e1@P0/None']@5"]
    partition.handle(event("e2", "a", 6))
    assert partition.outputs[-1] == ("a", 6)


def test_who_is_sent_back_that_there_was_nothing_is_there_again(partition: Partition) -> None:
    partition.move("a", "a", "b", 5, "m1")
    partition.handle_under("a", partition.sent.pop()[2])
    assert partition.store.get([b"a"]) == [None]
    partition.handle(event("e1", "a", 6))
    assert (partition.sent, partition.state("a").seen) == ([], ["e1@P0/None"])


def test_the_smaller_id_is_back_when_it_is_told_of_the_other(partition: Partition) -> None:
    """What comes for it then doesn't go round by the other, where what belongs to it may overtake it."""
    partition.handle(event("e1", "a", 1), event("e2", "b", 1))
    partition.move("a", "a", "b", 5, "m1")
    partition.move("b", "b", "a", 5, "m2")
    partition.move("a", "b", "a", 5, "m2")
    partition.move("a", "visitor:v", "a", 6, "m3")
    partition.handle_under("a", handed(VISITOR, 6, "m3"))
    while partition.sent:
        partition.handle_under(*partition.sent.pop()[1:])
    assert partition.state("a").seen == ["b ['e2@P0/None']@5", "visitor:v ['e0']@6", "a ['e1@P0/None']@5"]


def test_two_who_wait_for_each_others_state_do_not_wait_for_ever(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1), event("e2", "b", 1))
    partition.move("a", "b", "a", 5, "m1")
    partition.move("b", "a", "b", 5, "m2")
    partition.handle(event("e3", "b", 6))
    partition.move("a", "a", "b", 5, "m2")
    partition.move("b", "b", "a", 5, "m1")
    (_, other, nothing), (topic, key, given), (_, to, later) = partition.sent
    assert (other, nothing.move_id, nothing.state) == ("b", "m2", None), "the smaller id stays"
    assert (topic, key, Engine().decode(given.state).seen) == ("control", "a", ["e2@P0/None"])
    assert (to, later.event_id) == ("a", "e3")
    partition.handle(given, event("e4", "a", 7))
    assert partition.state("a").seen == ["e1@P0/None", "b ['e2@P0/None']@5", "e4@P0/None"]


def test_the_smaller_id_stays_though_it_waits_for_another_before(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1))
    partition.move("a", "visitor:v", "a", 4, "m1")
    partition.move("a", "a", "b", 5, "m2")
    partition.move("a", "b", "a", 5, "m3")
    partition.handle(handed(State("b", ["e2"]), 5, "m3", "b"), handed(VISITOR, 4, "m1"))
    assert [(key, item.move_id, item.state) for _, key, item in partition.sent] == [("b", "m2", None)]
    assert partition.state("a").seen == ["e1@P0/None", "visitor:v ['e0']@4", "b ['e2']@5"]


def test_a_state_that_came_to_who_goes_to_its_owner_goes_back_there(partition: Partition) -> None:
    partition.handle(event("e1", "a", 1), event("e2", "b", 1))
    partition.move("a", "a", "b", 5, "m1")
    partition.move("b", "visitor:v", "b", 4, "m2")
    partition.move("b", "b", "a", 5, "m3")
    partition.move("b", "a", "b", 5, "m1")
    partition.handle_under("b", partition.sent.pop()[2])
    assert partition.sent == []
    partition.handle_under("b", handed(VISITOR, 4, "m2"))
    while partition.sent:
        partition.handle_under(*partition.sent.pop(0)[1:])
    assert partition.state("a").seen == ["b ['e2@P0/None', \"visitor:v ['e0']@4\"]@5", "a ['e1@P0/None']@5"]


def test_who_was_given_first_gets_all_that_was_on_its_way(partition: Partition) -> None:
    """Tasks that don't know of each other's mergers give a member to two: the state goes to one, and so does all."""
    partition.move("c", "visitor:v", "c", 4, "m1")
    partition.move("c", "a", "c", 5, "m2")
    partition.move("c", "c", "a", 5, "m3")
    partition.move("c", "c", "b", 6, "m4")
    partition.sent.clear()
    partition.handle_under("c", handed(VISITOR, 4, "m1"))
    assert [(key, item.move_id) for _, key, item in partition.sent] == [("a", "m1")]
    partition.sent.clear()
    partition.handle_under("c", StateHandedOver(occurred_at=6, move_id="m4", gone="c", into="b", state=None))
    assert partition.sent == []
    assert partition.store.get([b"c"]) == [pack(None, MOVED + b"a")], "the second is nothing, and changes nothing"


def test_three_who_wait_in_a_circle_wait_until_too_much_is_kept_and_one_has_it_all(
    partition: Partition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_module, "KEPT_MAX", 4)
    names = ("a", "b", "c")
    partition.handle(*(event(f"{name}1", name, 1) for name in names))
    for gone, into in (("a", "b"), ("b", "c"), ("c", "a")):
        partition.move(into, gone, into, 5, f"{gone}{into}")
    for gone, into in (("a", "b"), ("b", "c"), ("c", "a")):
        partition.move(gone, gone, into, 5, f"{gone}{into}")
    partition.handle(*(event(f"{name}2", name, 6) for name in names), event("a3", "a", 7))
    partition.restart()
    assert partition.sent == []
    partition.handle(event("a4", "a", 8))
    while partition.sent:
        _, key, item = partition.sent.pop(0)
        partition.handle_under(key, item)
    first, *rest = partition.state("b").seen
    assert all(f"{name}1@" in first for name in names), "each state became part of the next"
    assert [line.partition("@")[0] for line in rest] == ["c2", "b2", "a2", "a3", "a4"]
    assert partition.store.get([b"a", b"c"]) == [pack(None, MOVED + b"b"), pack(None, MOVED + b"a")]


def test_a_state_larger_than_an_event_may_be_is_handed_over_whole(partition: Partition) -> None:
    for number in range(3):
        partition.handle(event(f"{number}" * 900_000, "visitor:v", 1))
    partition.move("visitor:v", "visitor:v", "a", 5)
    ((_, _, given),) = partition.sent
    partition.move("a", "visitor:v", "a", 5)
    partition.handle(given, event("e1", "a", 6))
    assert partition.dead == []
    assert [len(line) > 2_700_000 for line in partition.state("a").seen] == [True, False]


def test_of_a_state_larger_than_any_record_as_much_is_handed_over_as_fits(
    partition: Partition, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(moves, "STATE_BYTES_MAX", 100)
    exceeded = metrics.limits_exceeded.labels("state_bytes")
    before = exceeded._value.get()
    partition.handle(event("e" * 100, "visitor:v", 1))
    partition.move("visitor:v", "visitor:v", "a", 5)
    assert partition.sent == [("control", "a", handed(State("visitor:v", ["lightened"])))]
    assert exceeded._value.get() == before + 1
    assert "partition 0: the state that goes by move m has 1" in caplog.text


def test_a_record_with_the_largest_state_is_read_and_sent() -> None:
    name = "x" * 20_000
    largest = handed(None, move_id="members.registrations/99/9999999999999/9", gone=name)
    largest.state, largest.into = b"x" * moves.STATE_BYTES_MAX, name
    value = CODEC.encode(largest)
    assert len(value) + len(name) + 1_000 < MESSAGE_BYTES_MAX == HANDED_OVER_BYTES_MAX
    assert CODEC.decode_log([value], [name.encode()]) == [largest]


# The real engine, and programmes that the partitions of the member and the stranger get at different places


WAITS = "trigger: {{event: section_visited}}\n{}actions: [{{wait: P1D}}]"
COUNTING = "counters: {ordered: {event: order_placed, aggregate: sum, field: total}}"
DAY = 86_400_000
BEFORE = directory({"counters.yaml": COUNTING}, c=WAITS.format(""))
AFTERWARDS = {
    "campaign stopped": bundle({}, c=WAITS.format("status: stopped\n")),
    "in_flight: stop": bundle({}, c=WAITS.format("version: 2\nin_flight: stop\n")),
    "campaign gone": bundle({}, other=WAITS.format("")),
}


def real(partition: Partition, *programmes: Programme) -> None:
    """With the real engine, and the first of the programmes in force for a member who is known."""
    partition.use(RealEngine(), [EMPTY, *programmes])
    partition.handle(ProgrammeApplied(occurred_at=1, programme=1), event("e1", "a", 2))
    partition.outputs.clear()


def said(member: str, kind: str, at: int, **body: Any) -> Event:
    return Event(event_id=f"{kind}{at}", type=kind, occurred_at=at, source="s", key=member, member_id=member, body=body)


def met(programme: Programme) -> MemberState:
    """A stranger in a journey, with an order."""
    state = new("visitor:v")
    step.handle(programme, state, said("visitor:v", "section_visited", 3))
    step.handle(programme, state, said("visitor:v", "order_placed", 3, order_id="o", total=Decimal(50)))
    assert len(state.journeys) == 1
    return state


def given(state: MemberState) -> StateHandedOver:
    return StateHandedOver(occurred_at=6, move_id="m", gone="visitor:v", into="a", state=encode(state))


def own(partition: Partition) -> MemberState:
    (value,) = partition.store.get([b"a"])
    assert value is not None
    return decode(value[8:])


@pytest.mark.parametrize("after", AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_a_state_that_has_an_earlier_programme_gets_the_members_before_it_becomes_part(
    partition: Partition, after: dict[str, str]
) -> None:
    first, second = BEFORE, load([bundle({"counters.yaml": COUNTING}, c=WAITS.format("")), after])
    real(partition, first, second)
    partition.handle(ProgrammeApplied(occurred_at=5, programme=2))
    partition.move("a", "visitor:v", "a", 6)
    partition.handle(said("a", "order_cancelled", 7, order_id="o"), given(met(first)))
    assert partition.outputs == [("visitor:v", 5)], "its journey ended"
    assert (own(partition).journeys, own(partition).orders, own(partition).tallies) == ([], [], {})
    assert own(partition).programme == 2
    assert partition.dead == []


def test_so_it_does_if_the_member_got_the_programme_while_they_waited_for_another_state(partition: Partition) -> None:
    after = load([bundle({"counters.yaml": COUNTING}, c=WAITS.format("")), AFTERWARDS["campaign gone"]])
    real(partition, BEFORE, after)
    partition.move("a", "card:1", "a", 4, "m0")
    partition.handle(ProgrammeApplied(occurred_at=5, programme=2))
    partition.move("a", "visitor:v", "a", 6)
    partition.handle(given(met(BEFORE)), said("a", "order_cancelled", 7, order_id="o"))
    assert partition.outputs == []
    partition.handle(StateHandedOver(occurred_at=4, move_id="m0", gone="card:1", into="a", state=None))
    assert partition.outputs == [("visitor:v", 5)]
    assert (own(partition).journeys, own(partition).tallies) == ([], {})
    assert partition.dead == []


@pytest.mark.parametrize("before", [{}, {"c": WAITS.format("")}], ids=["a new campaign", "a newer version"])
def test_a_journey_of_a_later_programme_waits_until_the_member_gets_it(
    partition: Partition, before: dict[str, str]
) -> None:
    bundles = [bundle({}, **{"other": WAITS.format("status: stopped\n"), **before})]
    bundles.append(bundle({"counters.yaml": COUNTING}, c=WAITS.format("version: 2\n")))
    real(partition, load(bundles[:1]), load(bundles))
    partition.move("a", "visitor:v", "a", 6)
    partition.handle(given(met(load(bundles))), said("a", "order_cancelled", 7, order_id="o"))
    partition.handle(tick(DAY + 3), event("e2", "a", DAY + 4))
    assert partition.outputs == []
    assert [(journey.campaign, journey.version) for journey in own(partition).journeys] == [("c", 2)]
    partition.use(RealEngine(), [EMPTY, load(bundles[:1]), load(bundles)])
    partition.handle(ProgrammeApplied(occurred_at=DAY + 5, programme=2))
    assert partition.outputs == [("a", DAY + 5)], "it was due, and is done"
    assert own(partition).journeys == []
    assert partition.dead == []


def test_what_goes_to_another_partition_is_stamped_when_it_is_written(partition: Partition) -> None:
    stamps: list[int | None] = []
    partition.step._moves._put_out = lambda record: stamps.append(record.at)
    partition.move("visitor:v", "visitor:v", "a", 5)
    partition.handle(event("e1", "visitor:v", 6))
    assert stamps == [None, None], "by an event's time Kafka might delete it unread"
