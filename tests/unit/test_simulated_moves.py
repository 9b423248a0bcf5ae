"""What an exported log says of states that moved, as `simulate --in-order` takes it."""

from schemas.json_lines import LogPosition
from streams.engine import step
from streams.engine.commands import Decision
from streams.engine.events import Event, ProgrammeApplied, StateHandedOver, StateMoved
from streams.engine.state import new
from streams.engine.state_bytes import encode
from streams.programme import load
from streams.simulate import Placed, simulate

HELLO = (
    "id: hello\ntrigger: {event: site_visited}\n"
    "actions: [{send: {channel: sms, template: hello, messaging_type: service}}]\n"
)
TEMPLATES = 'templates: [{id: hello, text: "Hello"}]'


def test_an_event_for_a_state_that_has_gone_is_left_to_where_it_was_sent_on() -> None:
    visit = Event(event_id="1", type="site_visited", occurred_at=3, source="web", key="visitor:v", member_id=None)
    moved = StateMoved(occurred_at=2, move_id="1", gone="visitor:v", into="m")
    handed = StateHandedOver(occurred_at=2, move_id="1", gone="visitor:v", into="m", historical=False, state=None)
    log: list[Placed] = [
        (item, LogPosition(partition=0, offset=offset, key=key))
        for offset, (key, item) in enumerate([("visitor:v", moved), ("m", moved), ("m", handed), ("visitor:v", visit)])
    ]
    assert (
        list(simulate(load([{"hello.yaml": HELLO, "templates/t.yaml": TEMPLATES}]), log, until=10, in_order=True)) == []
    )


def test_a_state_of_the_log_counts_as_one_of_the_programme_that_is_simulated() -> None:
    """The log's programmes have numbers of their own."""
    waits = {"hello.yaml": HELLO.replace("[{send", "[{wait: PT1S}, {send"), "templates/t.yaml": TEMPLATES}
    other = new("visitor:v")
    visit = Event(event_id="1", type="site_visited", occurred_at=3, source="web", key="visitor:v", member_id=None)
    step.handle(load([waits]), other, visit)
    other.profile.phone, other.programme = "+79001234567", 7
    applied = ProgrammeApplied(occurred_at=1, programme=5)
    moved = StateMoved(occurred_at=4, move_id="1", gone="visitor:v", into="m")
    handed = StateHandedOver(occurred_at=4, move_id="1", gone="visitor:v", into="m", state=encode(other))
    log: list[Placed] = [
        (item, LogPosition(partition=0, offset=offset, key=key))
        for offset, (key, item) in enumerate([(None, applied), ("m", moved), ("m", handed)])
    ]
    found = simulate(load([waits]), log, until=2_000, in_order=True)
    assert [type(each).__name__ for each in found] == ["Dispatch", "Decision"]
    without = load([{"other.yaml": HELLO.replace("id: hello", "id: other"), "templates/t.yaml": TEMPLATES}])
    gone = simulate(without, log, until=2_000, in_order=True)
    assert [each.reason for each in gone if isinstance(each, Decision)] == ["campaign_stopped"]
