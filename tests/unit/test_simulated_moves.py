"""What an exported log says of states that moved, as `simulate --in-order` takes it."""

from schemas.json_lines import LogPosition
from streams.engine.events import Event, StateHandedOver, StateMoved
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
