"""RFM comes back as segments: `rfm.segment.champions`, `rfm.recency.5`; one of each kind at a time."""

import pytest

from streams.engine import rfm
from tests.simulation.support import Live, directory, event, run

AT = "2018-01-01T12:00:00Z"
END = "2018-02-01T00:00:00Z"


def assigned(day: int, segment: str, kind: str = "segment_assigned", **more):
    return event("m", kind, f"2018-01-{day:02}T12:00:00Z", segment=segment, **more)


def holds(condition: str, *events) -> bool:
    """Whether the condition holds for a member to whom this happened."""
    programme = directory(
        c=f"trigger: {{event: site_visited, where: {condition}}}\nactions: [{{send: {{channel: in_app, template: a}}}}]"
    )
    return bool(run(programme, [*events, event("m", "site_visited", "2018-01-30T12:00:00Z")], END))


CHAMPION = [assigned(2, "rfm.segment.champions"), assigned(2, "rfm.recency.5"), assigned(2, "rfm.monetary.4")]


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("{rfm.segment: champions}", True),
        ("{rfm.segment: {in: [loyal, champions]}}", True),
        ("{rfm.segment: lost}", False),
        ("{rfm.recency: 5, rfm.monetary: {ge: 4, lt: 5}}", True),
        ("{rfm.recency: {lt: 5}}", False),
        ("{rfm.recency: '5'}", False),
        ("{rfm.frequency: {exists: false}}", True),
        ("{rfm.frequency: {ge: 0}}", False),
        ("{segment: rfm.segment.champions}", True),
        ("{segment: rfm.recency.5}", True),
        ("{segment: rfm.recency.4}", False),
        ("{segment: rfm.frequency.1}", False),
    ],
)
def test_what_rfm_found_has_names_in_conditions(condition, found):
    assert holds(condition, *CHAMPION) is found


def test_another_value_takes_the_place_of_the_one_before():
    moved = [*CHAMPION, assigned(9, "rfm.segment.at-risk"), assigned(9, "rfm.recency.2")]
    assert holds("{rfm.segment: at-risk, rfm.recency: 2, rfm.monetary: 4}", *moved)
    assert not holds("{any: [{segment: rfm.segment.champions}, {segment: rfm.recency.5}]}", *moved)


def test_only_the_value_that_still_stands_can_be_removed():
    moved = [*CHAMPION, assigned(9, "rfm.recency.2")]
    assert holds("{rfm.recency: 2}", *moved, assigned(9, "rfm.recency.5", "segment_removed"))
    assert holds("{rfm.recency: {exists: false}}", *moved, assigned(9, "rfm.recency.2", "segment_removed"))


def test_an_initial_load_counts():
    assert holds("{rfm.segment: champions}", assigned(2, "rfm.segment.champions", historical=True))


@pytest.mark.parametrize("segment", ["rfm.recency.high", "rfm.recency.", "rfm.recency", "rfm.colour.5", "rfm.segment."])
def test_what_is_no_value_of_rfm_is_a_segment_like_any_other(segment):
    assert rfm.parse(segment) is None
    assert holds("{rfm.recency: {exists: false}, rfm.segment: {exists: false}}", assigned(2, segment))


def test_entering_and_leaving_trigger():
    programme = directory(
        won="trigger: {segment_entered: rfm.segment.champions}\nactions: [{send: {channel: in_app, template: a}}]",
        lost="trigger: {segment_left: rfm.segment.champions}\nactions: [{send: {channel: in_app, template: b}}]",
        stays="""
        trigger: {event: site_visited}
        cancel_on: [{event: segment_entered, where: {segment: {in: [rfm.segment.champions, x]}}}]
        actions: [{wait: P90D}]
        """,
    )
    visit = event("m", "site_visited", AT)
    happened = run(programme, [visit, *CHAMPION, assigned(9, "rfm.segment.lost")], END, kinds=("dispatch", "decision"))
    assert [(line["at"][8:10], line["campaign"], line.get("outcome")) for line in happened] == [
        ("02", "stays", "cancelled"),
        ("02", "won", None),
        ("02", "won", "ended"),
        ("09", "lost", None),
        ("09", "lost", "ended"),
    ]


def test_segments_may_go_by_rfm_and_campaigns_may_set_it():
    programme = directory(
        {"segments/best.yaml": "id: best\nwhere: {rfm.recency: {ge: 4}, rfm.segment: {ne: lost}}"},
        c="trigger: {segment_entered: best}\nactions: [{send: {channel: in_app, template: a}}]",
        put="trigger: {event: site_visited}\nactions: [{add_to: rfm.segment.loyal}]",
    )
    events = [event("m", "site_visited", AT), assigned(3, "rfm.recency.4")]
    assert [line["at"] for line in run(programme, events, END)] == ["2018-01-03T12:00:00Z"]


def test_it_survives_storing():
    live = Live()
    live.apply(
        "2018-01-01T00:00:00Z",
        c="trigger: {event: site_visited, where: {rfm.recency: 5}}\nactions: [{send: {channel: in_app, template: a}}]",
    )
    live.handle(*CHAMPION, event("m", "site_visited", "2018-01-30T12:00:00Z"))
    assert [line["kind"] for line in live.lines] == ["dispatch", "decision"]
