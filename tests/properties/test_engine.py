"""What must not change a decision: storing, repeating, other members, other campaigns, ticks (contract §4.1-4.4)."""

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.json_lines import format_record, read_events
from streams.engine import step
from streams.engine.events import Event, LogRecord, Tick
from streams.engine.state import new
from streams.engine.state_bytes import decode, encode
from streams.output_lines import format_command
from streams.programme.turning import Turning
from streams.simulate import simulate
from tests.properties.everything import UNTIL, anything, everything, streams

PROGRAMME = everything()
TIMELESS = everything(without="daily")
"""For events that are millennia apart: a mailing a day would take its time."""
relaxed = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


def lines(
    records: Iterable[LogRecord], programme=PROGRAMME, *, in_order: bool = True, member: str | None = None
) -> list[str]:
    placed = [(record, None) for record in records]
    output = list(simulate(programme, placed, until=UNTIL, in_order=in_order))
    return [format_command(item) for item in output if member is None or item.member_id == member]


@relaxed
@given(streams(("m",)))
def test_storing_and_restoring_between_all_steps_changes_nothing(events):
    kept = new("m")
    stored = encode(kept)
    for event in events:
        state = decode(stored)
        assert step.handle(PROGRAMME, state, event) == step.handle(PROGRAMME, kept, event)
        stored = encode(state)
        assert stored == encode(kept)
    state = decode(stored)
    assert step.advance(PROGRAMME, state, UNTIL, wall=False) == step.advance(PROGRAMME, kept, UNTIL, wall=False)


@relaxed
@given(streams(), st.lists(st.tuples(st.integers(0, 24), st.integers(1, 24)), max_size=8))
def test_repeated_events_change_nothing(events, repetitions):
    log = list(events)
    for place, ahead in repetitions:
        event = events[place % len(events)]
        log.insert(log.index(event) + ahead, event)
    assert lines(log) == lines(events)


@relaxed
@given(streams(), streams(("other", "another")))
def test_other_members_change_nothing(events, others):
    others = [event for event in others if event.type != "registration_completed"]
    mixed = [event for pair in zip(events, others, strict=False) for event in pair]
    mixed += events[len(others) :] + others[len(events) :]
    for member in ("m", "n"):
        assert lines(mixed, member=member) == lines(events, member=member)


@relaxed
@given(streams())
def test_a_campaign_that_sends_nothing_changes_nothing_for_the_others(events):
    more = everything(
        zz="trigger: {event: site_visited}\nentry: {while_running: parallel}\nactions: [{wait: PT1H}, {wait: P1D}]",
        aa="trigger: [{event: purchase_completed}, {segment_entered: fresh}]\npriority: 9\nactions: [{wait: PT3H}]",
    )
    alone = [line for line in lines(events, more) if '"campaign":"zz"' not in line and '"campaign":"aa"' not in line]
    assert alone == lines(events)


@relaxed
@given(streams())
def test_looking_at_segments_every_day_finds_nothing_that_looking_when_they_turn_does_not(events):
    daily = replace(PROGRAMME, turning=tuple(Turning(each.name, None) for each in PROGRAMME.turning))
    assert any(each.values for each in PROGRAMME.turning)
    assert lines(events, daily) == lines(events)


@relaxed
@given(streams())
def test_a_sorted_file_gives_the_same_in_order(events):
    events = sorted(events, key=lambda event: event.occurred_at)
    assert sorted(lines(events)) == sorted(lines(events, in_order=False))


@relaxed
@given(streams(), st.sets(st.integers(0, 30)))
def test_ticks_that_follow_event_time_change_nothing(events, places):
    events = sorted(events, key=lambda event: event.occurred_at)
    log: list[LogRecord] = []
    for number, event in enumerate(events):
        if number in places:
            log.append(Tick(occurred_at=event.occurred_at, wall=False))
        log.append(event)
    assert sorted(lines(log)) == sorted(lines(events))


@relaxed
@given(streams())
def test_a_file_gives_what_the_events_themselves_give(events):
    read = [record for record, _ in read_events([format_record(event, log=None) for event in events], "events")]
    assert lines(read) == lines(events)


@relaxed
@given(anything(), st.booleans())
def test_nothing_that_the_schemas_allow_breaks_the_engine(events, in_order):
    if not in_order:
        events = sorted(events, key=lambda event: event.occurred_at)
    stored = encode(new("m"))
    for event in events:
        state = decode(stored)
        for item in step.handle(TIMELESS, state, event):
            assert isinstance(item, Event) or format_command(item)
        stored = encode(state)
        assert decode(stored) == state
    state = decode(stored)
    latest = max(event.occurred_at for event in events)
    for item in step.advance(TIMELESS, state, latest, wall=True):
        assert isinstance(item, Event) or format_command(item)
    for item in step.adopt(TIMELESS, state, latest):
        assert isinstance(item, Event) or format_command(item)
    assert len(encode(state)) < 200_000
