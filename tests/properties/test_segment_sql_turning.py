"""The moments at which answers turn, which drawn examples seldom meet: birthdays by zone, ends of windows, edits."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.values import parse_time
from streams.engine import step
from streams.engine.conditions import parse
from streams.engine.events import Event
from streams.engine.state import new
from streams.segments.sql import Asking, compile_condition
from tests.properties.drawn_members import store, view_at
from tests.simulation.support import bought, directory, records, registered

CAMPAIGN = "trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]"
BORN = ["1992-02-29", "1990-02-28", "1990-03-01", "1990-12-31", "1991-01-01"]
ZONES = ["Pacific/Kiritimati", "Europe/Riga", "Pacific/Pago_Pago", None]
WINDOWS = ["window: P3D, step: P1D", "window: {tumbling: P1D}", "window: {calendar: week}", "window: {calendar: month}"]


def counting(window):
    return f"counters: {{n: {{event: purchase_completed, aggregate: count, {window}}}}}"


def answers(clickhouse, programme, states, at, data):
    """Who is selected, by the engine and by ClickHouse."""
    condition = parse(data)
    statement = compile_condition(condition, Asking(programme, at)).select("member_id")
    found = {row[0] for row in clickhouse.query(statement).result_rows}
    return {state.key for state in states if condition.holds(view_at(programme, state, at))}, found


def members(programme, lines):
    states = {}
    for record, _ in records(lines):
        assert isinstance(record, Event)
        step.handle(programme, states.setdefault(record.key, new(record.key)), record)
    return list(states.values())


@pytest.mark.parametrize("day", ["2021-02-28", "2021-03-01", "2024-02-28", "2024-02-29", "2021-12-31", "2022-01-01"])
def test_a_birthday_comes_when_it_comes_where_the_member_lives(clickhouse, day):
    programme = directory({"policies.yaml": "default_time_zone: Asia/Kathmandu"}, c=CAMPAIGN)
    lines = [
        registered(f"{born} {zone}", "2020-01-01T00:00:00Z", birth_date=born, **({"time_zone": zone} if zone else {}))
        for born in BORN
        for zone in ZONES
    ]
    states = members(programme, lines)
    store(clickhouse, states)
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    selected = set()
    for hours in (-14, -6, -1, 0, 6, 11, 18):
        at = parse_time((midnight + timedelta(hours=hours)).isoformat())
        for age in (28, 29, 30, 31, 32, 33):
            engine, sql = answers(clickhouse, programme, states, at, {"member.age": age})
            assert engine == sql
            selected.add(frozenset(engine))
    assert len(selected) > 3


@pytest.mark.parametrize("window", WINDOWS)
def test_a_window_ends_at_the_same_moment(clickhouse, window):
    programme = directory({"counters.yaml": counting(window)}, c=CAMPAIGN)
    states = members(programme, [bought("m", "2026-03-02T10:00:00Z"), bought("m", "2026-03-03T10:00:00Z")])
    store(clickhouse, states)
    seen = set()
    for day in [*range(3, 12), 31, 32]:
        for ms in (-1, 0, 1):
            moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=day - 1, milliseconds=ms)
            for hours in (0, -3):  # midnight in UTC, and in the programme's zone
                at = parse_time((moment + timedelta(hours=hours)).isoformat())
                if at < states[0].clock and day < 4:
                    continue
                for count in (0, 1, 2):
                    engine, sql = answers(clickhouse, programme, states, at, {"counter.n": count})
                    assert engine == sql, (window, at)
                    seen.add((count, bool(engine)))
    assert {(0, True), (2, True)} <= seen or {(0, True), (1, True)} <= seen


def test_what_another_definition_counted_is_worth_nothing(clickhouse):
    before, after = (directory({"counters.yaml": counting(each)}, c=CAMPAIGN) for each in WINDOWS[:2])
    states = members(before, [bought("m", "2026-03-02T10:00:00Z")])
    store(clickhouse, states)
    at = states[0].clock
    assert answers(clickhouse, before, states, at, {"counter.n": 1}) == ({"m"}, {"m"})
    assert answers(clickhouse, after, states, at, {"counter.n": 1}) == (set(), set())
