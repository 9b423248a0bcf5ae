"""The engine against the naive implementation of the contract in `tests/model`, over generated input."""

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings

from schemas.json_lines import read_events
from streams.engine import step
from streams.engine.events import Event
from streams.engine.state import decode, encode, new
from streams.programme import Programme, load
from streams.simulate import simulate
from tests.model.simulation import in_model_terms, run_model, with_statuses
from tests.properties.generated import event_lines, programmes, statuses

EXAMPLES = int(os.environ.get("REKINDLE_TEST_EXAMPLES", "150"))
END = int(datetime(2021, 3, 1, tzinfo=UTC).timestamp() * 1000)
Lines = list[dict[str, Any]]
Statuses = Sequence[tuple[str, int, int]]


def files_of(programme: dict[str, Any]) -> dict[str, str]:
    """The campaign directory that says it."""
    files = {
        "policies.yaml": programme["policies"],
        "counters.yaml": {"counters": programme["counters"]},
        "templates/all.yaml": {"templates": [{"id": name, **t} for name, t in programme["templates"].items()]},
        **{f"segments/{name}.yaml": {"id": name, **one} for name, one in programme["segments"].items()},
        **{f"{campaign['id']}.yaml": campaign for campaign in programme["campaigns"]},
    }
    return {path: yaml.safe_dump(content, sort_keys=False) for path, content in files.items()}


def read(lines: Lines) -> list[Event]:
    records = [record for record, _ in read_events([json.dumps(line) for line in lines], "events")]
    return [record for record in records if isinstance(record, Event)]


def restored(programme: Programme, events: list[Event], until: int) -> list[Any]:
    """What the engine does when its state is stored and restored after every step."""
    stored: dict[str, bytes] = {}
    output: list[Any] = []
    coming = [event for event in events if event.occurred_at <= until]
    while coming:
        event = coming.pop(0)
        state = decode(stored[event.key]) if event.key in stored else new(event.key)
        items = step.handle(programme, state, event)
        coming[:0] = [item for item in items if isinstance(item, Event)]
        output += [item for item in items if not isinstance(item, Event)]
        stored[event.key] = encode(state)
    for data in stored.values():
        state = decode(data)
        while (due := state.next_due()) is not None and due <= until:
            output += step.advance(programme, state, due, wall=False)
            state = decode(encode(state))
    return output


def compare(programme: dict[str, Any], lines: Lines, statuses: Statuses = ()) -> None:
    """Every record of the engine is the model's, in every way of running it."""
    loaded = load([files_of(programme)])
    events = with_statuses(programme, read(lines), list(statuses), END)
    records = [(event, None) for event in events]
    assert in_model_terms(simulate(loaded, records, until=END)) == run_model(programme, events, END)
    in_order = run_model(programme, events, END, in_order=True)
    assert in_model_terms(simulate(loaded, records, until=END, in_order=True)) == in_order
    assert in_model_terms(restored(loaded, events, END)) == in_order


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="REKINDLE_TEST_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(programmes(), event_lines(), statuses())
def test_the_engine_says_what_the_model_says(programme, lines, reported):
    compare(programme, lines, reported)


def test_two_dates_that_come_at_one_moment_both_come():
    award = [{"award": {"amount": 1, "currency": "points"}}]
    on_the_day = [{"date": "registered_at", "at": "10:00"}]
    programme = {
        "policies": {"default_time_zone": "Europe/Moscow"},
        "counters": {},
        "templates": {"plain": {"text": "Hello"}},
        "segments": {},
        "campaigns": [{"id": name, "trigger": on_the_day, "actions": award} for name in ("c0", "c1")],
    }
    registration = {"type": "registration_completed", "occurred_at": "2020-02-27T00:00:00Z", "member_id": "m"}
    lines = [{"event_id": "e", "source": "test", **registration}]
    compare(programme, lines)
    awarded = [line for line in run_model(programme, read(lines), END)["m"] if line["kind"] == "award"]
    assert [line["campaign"] for line in awarded] == ["c0", "c1", "c0", "c1"]


def test_a_city_of_blanks_has_no_zone():
    programme = {
        "policies": {"default_time_zone": "Asia/Vladivostok"},
        "counters": {},
        "templates": {"plain": {"text": "Hello"}},
        "segments": {},
        "campaigns": [
            {
                "id": "c",
                "trigger": [{"event": "registration_completed"}],
                "actions": [{"wait": {"until": "10:00"}}, {"award": {"amount": 1, "currency": "points"}}],
            }
        ],
    }
    registration = {"type": "registration_completed", "occurred_at": "2020-02-27T01:00:00Z", "member_id": "m"}
    lines = [{"event_id": "e", "source": "test", "city": " ", **registration}]
    compare(programme, lines)
    assert run_model(programme, read(lines), END)["m"][0]["at"] == read(lines)[0].occurred_at + 23 * 3_600_000
