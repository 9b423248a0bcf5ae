"""Segments: entered, left, lists, and those that time alone turns (contract §2 Derived, §3, fine print "Names")."""

import pytest

from tests.simulation.support import bought, directory, event, happened, registered, run, sent

END = "2020-01-01T00:00:00Z"
RICH = "id: rich\nwhere: {member.purchases.total: {ge: 1000}}"
BOTH = {
    "entered": "trigger: {segment_entered: rich}\nactions: [{send: {channel: cashier, template: a}}]",
    "left": "trigger: {segment_left: rich}\nactions: [{send: {channel: cashier, template: b}}]",
}


def turns(segment: str, *events, until: str = END, extra=None, **options) -> list[str]:
    files = {"segments/rich.yaml": segment, **(extra or {})}
    return [f"{at} {text}" for at, text in sent(directory(files, **BOTH), list(events), until, **options)]


def test_entered_and_left_within_the_handling_that_changed_it():
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        bought("m", "2018-01-02T12:00:00Z", total=600),
        bought("m", "2018-01-03T12:00:00Z", total=600),
        bought("m", "2018-01-04T12:00:00Z", total=600),
        event("m", "purchase_returned", "2018-01-05T12:00:00Z", total=900),
    ]
    assert turns(RICH, *events) == ["2018-01-03T12:00:00Z A", "2018-01-05T12:00:00Z B"]


def test_it_follows_what_the_event_itself_does():
    programme = directory(
        {"segments/rich.yaml": RICH},
        **BOTH,
        own="trigger: {event: purchase_completed}\nactions: [{send: {channel: cashier, template: c}}]",
    )
    assert [text for _, text in sent(programme, [bought("m", "2018-01-02T12:00:00Z", total=1000)], END)] == ["C", "A"]


def test_a_member_of_a_list_enters_when_they_become_known():
    listed = "id: rich\nmembers: [m]"
    events = [event("m", "site_visited", "2018-01-02T12:00:00Z"), event("n", "site_visited", "2018-01-02T12:00:00Z")]
    assert turns(listed, *events) == ["2018-01-02T12:00:00Z A"]


def test_a_list_from_a_file():
    extra = {"segments/rich.csv": "member_id\nm\nk\n"}
    events = [event("m", "site_visited", "2018-01-02T12:00:00Z"), event("n", "site_visited", "2018-01-02T12:00:00Z")]
    assert turns("id: rich\nmembers_file: rich.csv", *events, extra=extra) == ["2018-01-02T12:00:00Z A"]


def test_assigned_and_removed_from_outside():
    events = [
        event("m", "segment_assigned", "2018-01-02T12:00:00Z", segment="rich"),
        event("m", "segment_assigned", "2018-01-03T12:00:00Z", segment="rich"),
        event("m", "segment_removed", "2018-01-04T12:00:00Z", segment="rich"),
    ]
    assert turns("id: rich\nmembers: []", *events) == ["2018-01-02T12:00:00Z A", "2018-01-04T12:00:00Z B"]


def test_add_to_and_remove_from_override_the_list_and_make_events_too():
    programme = directory(
        {"segments/rich.yaml": "id: rich\nmembers: [m]"},
        **BOTH,
        take="trigger: {event: site_visited}\nactions: [{remove_from: rich}]",
        give="trigger: {event: product_viewed}\nactions: [{wait: P1D}, {add_to: rich}]",
    )
    events = [
        event("m", "site_visited", "2018-01-02T12:00:00Z"),
        event("m", "product_viewed", "2018-01-03T12:00:00Z"),
    ]
    # Known and taken off within one handling: what is left when it is over was never entered.
    assert sent(programme, events, END) == [("2018-01-04T12:00:00Z", "A")]


def test_a_historical_event_turns_silently():
    events = [
        bought("m", "2018-01-02T12:00:00Z", total=1000, historical=True),
        event("m", "site_visited", "2018-01-03T12:00:00Z"),
        event("m", "purchase_returned", "2018-01-05T12:00:00Z", total=900),
    ]
    assert turns(RICH, *events) == ["2018-01-05T12:00:00Z B"]


def test_a_programme_that_comes_into_force_finds_memberships_and_makes_no_events():
    events = [bought("m", "2018-01-02T12:00:00Z", total=1000), event("m", "site_visited", "2018-01-04T12:00:00Z")]
    assert turns(RICH, *events, start="2018-01-03T00:00:00Z") == []


def test_a_segments_condition_sees_the_member_only():
    programme = directory(
        {"segments/big.yaml": "id: big\nwhere: {total: {ge: 1}}"},
        c="trigger: {event: purchase_completed}\naudience: {segment: big}\nactions: [{set: {a: 1}}]",
    )
    assert happened(programme, [bought("m", "2018-01-02T12:00:00Z")], END) == [
        "2018-01-02T12:00:00Z refused not_in_audience"
    ]


def test_segments_of_segments():
    extra = {"segments/buyer.yaml": "id: buyer\nwhere: {member.purchases.count: {ge: 1}}"}
    segment = "id: rich\nwhere: {segment: buyer, member.city: Omsk}"
    events = [bought("m", "2018-01-02T12:00:00Z"), event("m", "profile_updated", "2018-01-03T12:00:00Z", city="Omsk")]
    assert turns(segment, *events, extra=extra) == ["2018-01-03T12:00:00Z A"]


def test_segment_events_cancel_and_answer():
    programme = directory(
        {"segments/rich.yaml": RICH},
        c="""
        trigger: {event: registration_completed}
        cancel_on: [{event: segment_entered, where: {segment: rich}}]
        actions: [{wait: P5D}, {send: {channel: sms, template: a}}]
        """,
        d="""
        trigger: {event: registration_completed}
        actions: [{wait: {for: {event: segment_entered, where: {segment: rich}}}}, {send: {channel: sms, template: b}}]
        """,
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-02T12:00:00Z", total=1000)]
    assert sent(programme, events, END) == [("2018-01-02T12:00:00Z", "B")]


def test_two_campaigns_that_undo_each_other_come_to_an_end():
    programme = directory(
        {"segments/rich.yaml": "id: rich\nmembers: []"},
        a="trigger: {segment_entered: rich}\nactions: [{remove_from: rich}]",
        b="trigger: {segment_left: rich}\nactions: [{add_to: rich}]",
        c="trigger: {event: purchase_completed}\nactions: [{send: {channel: cashier, template: c}}]",
    )
    events = [
        event("m", "segment_assigned", "2018-01-02T12:00:00Z", segment="rich"),
        bought("m", "2018-01-03T12:00:00Z"),
    ]
    assert [text for _, text in sent(programme, events, END)] == ["C"]


# Time alone ----------------------------------------------------------------------------------------------------------


def test_days_since_registration_turns_at_its_moment():
    segment = "id: rich\nwhere: {member.days_since_registration: {ge: 365}}"
    assert turns(segment, registered("m", "2018-01-01T10:30:00Z")) == ["2019-01-01T10:30:00Z A"]


def test_age_turns_on_the_birthday_at_midnight_of_the_member():
    segment = "id: rich\nwhere: {member.age: {ge: 18}}"
    known = registered("m", "2018-01-01T10:30:00Z", birth_date="2000-05-17", time_zone="Asia/Vladivostok")
    assert turns(segment, known) == ["2018-05-16T14:00:00Z A"]


def test_days_since_turns_every_24_hours_after_the_event():
    segment = "id: rich\nwhere: {days_since.purchase_completed: {ge: 30}}"
    events = [bought("m", "2018-01-01T12:00:00Z"), bought("m", "2018-03-01T18:00:00Z")]
    # At the second purchase it is still the time since the first; the moment after, it isn't.
    assert turns(segment, *events, until="2018-03-20T00:00:00Z") == [
        "2018-01-31T12:00:00Z A",
        "2018-03-01T18:00:00.001Z B",
    ]


@pytest.mark.parametrize(
    ("counter", "left_at"),
    [
        ("{event: purchase_completed, aggregate: sum, field: total, window: P30D, step: P1D}", "2018-02-02T00:00:00Z"),
        ("{event: purchase_completed, aggregate: count, window: {tumbling: PT6H}}", "2018-01-03T18:00:00Z"),
        ("{event: purchase_completed, aggregate: count, window: {calendar: month}}", "2018-01-31T21:00:00Z"),
        ("{event: purchase_completed, aggregate: count, window: {calendar: week}}", "2018-01-07T21:00:00Z"),
        ("{event: purchase_completed, aggregate: count, window: {calendar: year}}", "2018-12-31T21:00:00Z"),
    ],
)
def test_counters_turn_when_their_windows_move_on(counter, left_at):
    extra = {"counters.yaml": f"counters: {{x: {counter}}}"}
    segment = "id: rich\nwhere: {counter.x: {ge: 1}}"
    assert turns(segment, bought("m", "2018-01-03T12:00:00Z"), extra=extra) == [
        "2018-01-03T12:00:00Z A",
        f"{left_at} B",
    ]


def test_the_bonus_balance_turns_when_points_activate_and_expire():
    segment = "id: rich\nwhere: {member.bonus.points: {ge: 100}}"
    points = event(
        "m",
        "bonus_accrued",
        "2018-01-01T00:00:00Z",
        accrual_id="1",
        amount=100,
        currency="points",
        activates_at="2018-01-05T12:00:00Z",
        expires_at="2018-02-05T12:00:00Z",
    )
    assert turns(segment, points) == ["2018-01-05T12:00:00Z A", "2018-02-05T12:00:00Z B"]


def test_a_segment_asked_for_by_a_watched_one_turns_it():
    extra = {"segments/old.yaml": "id: old\nwhere: {member.days_since_registration: {ge: 10}}"}
    segment = "id: rich\nwhere: {not: {segment: old}}"
    assert turns(segment, registered("m", "2018-01-01T10:00:00Z"), extra=extra) == [
        "2018-01-01T10:00:00Z A",
        "2018-01-11T10:00:00Z B",
    ]


def test_segments_that_nobody_watches_set_no_timers():
    from streams.engine import step
    from streams.engine.state import new
    from tests.simulation.support import records

    programme = directory(
        {"segments/old.yaml": "id: old\nwhere: {member.days_since_registration: {ge: 10}}"},
        c="trigger: {event: site_visited}\naudience: {segment: old}\nactions: [{send: {channel: sms, template: a}}]",
    )
    state = new("m")
    ((record, _),) = records([registered("m", "2018-01-01T10:00:00Z")])
    step.handle(programme, state, record)
    assert state.next_due() is None
    assert run(programme, [registered("m", "2018-01-01T10:00:00Z")], END) == []


def test_counting_and_days_since_of_segment_events():
    programme = directory(
        {
            "segments/rich.yaml": RICH,
            "counters.yaml": "counters: {x: {event: segment_entered, aggregate: count}}",
        },
        **BOTH,
        c="trigger: {event: site_visited, where: {counter.x: 1, days_since.segment_entered: 2}}\n"
        "actions: [{send: {channel: cashier, template: c}}]",
    )
    events = [bought("m", "2018-01-02T12:00:00Z", total=1000), event("m", "site_visited", "2018-01-04T12:00:00Z")]
    assert [text for _, text in sent(programme, events, END)] == ["A", "C"]
