"""The engine against the naive implementation of the contract in `tests/model`, over generated histories."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.engine.events import Event
from streams.simulate import simulate
from tests.model.simulation import in_model_terms, run_model, with_statuses
from tests.properties.drawn_events import histories, statuses
from tests.properties.drawn_programmes import edits
from tests.properties.live import loaded, read, run_live

EXAMPLES = int(os.environ.get("REKINDLE_TEST_EXAMPLES", "150"))
YEAR = int(datetime(2021, 3, 1, tzinfo=UTC).timestamp() * 1000)
WEEKS = int(datetime(2020, 3, 10, tzinfo=UTC).timestamp() * 1000)
Lines = list[dict[str, Any]]
Statuses = Sequence[tuple[str, int, int]]
quick = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="REKINDLE_TEST_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[dict[str, Any]], Lines, Statuses]:
    programmes = draw(edits())
    return programmes, draw(histories(programmes)), draw(statuses())


def compare(programmes: list[dict[str, Any]], lines: Lines, reported: Statuses = ()) -> dict[str, Lines]:
    """Every record of the engine is the model's, in every way of running it."""
    until = WEEKS if "cron" in repr(programmes) else YEAR
    records = with_statuses(programmes, read(lines), list(reported), until)
    in_order = run_model(programmes, records, until, in_order=True)
    assert in_model_terms(run_live(programmes, records, until)) == in_order
    if len(programmes) == 1:
        programme, placed = loaded(programmes[0]), [(record, None) for record in records]
        assert in_model_terms(simulate(programme, placed, until=until, in_order=True)) == in_order
        if all(isinstance(record, Event) for record in records):
            sorted_out = in_model_terms(simulate(programme, placed, until=until))
            assert sorted_out == run_model(programmes, records, until)
    return in_order


@quick
@given(cases())
def test_the_engine_says_what_the_model_says(case):
    compare(*case)


# Found by the comparison ---------------------------------------------------------------------------------------------


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
    awarded = [line for line in compare([programme], lines)["m"] if line["kind"] == "award"]
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
    output = compare([programme], lines)
    assert output["m"][0]["at"] == read(lines)[0].occurred_at + 23 * 3_600_000
