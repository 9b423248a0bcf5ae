"""The member's clock, timers and ticks (contract §4.1-4.2)."""

import json

from tests.simulation.support import bought, decided, directory, event, happened, registered, run, sent

WAIT_A_DAY = """
trigger: {event: purchase_completed}
actions: [{wait: P1D}, {send: {channel: sms, template: a}}]
"""


def test_a_timer_due_at_until_still_fires_and_one_due_after_it_does_not():
    programme = directory(c=WAIT_A_DAY)
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert sent(programme, events, "2018-01-02T12:00:00Z") == [("2018-01-02T12:00:00Z", "A")]
    assert sent(programme, events, "2018-01-02T11:59:59Z") == []


def test_an_event_at_until_is_handled_and_one_after_it_is_left_out():
    programme = directory(c="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a}}]")
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        bought("m", "2018-01-01T12:00:00Z"),
        bought("m", "2018-01-01T12:00:01Z"),
    ]
    assert len(sent(programme, events, "2018-01-01T12:00:00Z")) == 1


def test_what_a_timer_does_is_stamped_with_its_due_time_and_not_with_the_record_that_found_it():
    programme = directory(c=WAIT_A_DAY)
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        bought("m", "2018-01-01T12:00:00Z"),
        event("m", "site_visited", "2018-01-05T10:00:00Z"),
    ]
    assert sent(programme, events, "2018-01-06T00:00:00Z", in_order=True) == [("2018-01-02T12:00:00Z", "A")]


def test_timers_due_at_an_events_time_fire_before_it():
    programme = directory(
        c="""
        trigger: {event: registration_completed}
        cancel_on: [{event: purchase_completed}]
        actions: [{wait: P1D}, {send: {channel: sms, template: a}}]
        """
    )
    in_time = [registered("m", "2018-01-01T12:00:00Z"), bought("m", "2018-01-02T12:00:00Z")]
    assert sent(programme, in_time, "2018-01-03T00:00:00Z") == [("2018-01-02T12:00:00Z", "A")]
    earlier = [registered("m", "2018-01-01T12:00:00Z"), bought("m", "2018-01-02T11:59:59Z")]
    assert sent(programme, earlier, "2018-01-03T00:00:00Z") == []


def test_timers_of_one_moment_fire_in_the_order_in_which_they_were_set():
    programme = directory(
        z="trigger: {event: registration_completed}\nactions: [{wait: P1D}, {send: {channel: sms, template: a}}]",
        a="trigger: {event: purchase_completed}\nactions: [{wait: PT12H}, {send: {channel: sms, template: b}}]",
    )
    events = [registered("m", "2018-01-01T06:00:00Z"), bought("m", "2018-01-01T18:00:00Z")]
    assert [text for _, text in sent(programme, events, "2018-01-03T00:00:00Z")] == ["A", "B"]


def test_a_timer_that_is_set_and_already_due_fires_right_after_the_event():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        actions: [{wait: PT0S}, {send: {channel: sms, template: a}}]
        """,
        d="""
        trigger: {event: purchase_completed}
        actions: [{send: {channel: sms, template: b}}]
        """,
    )
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert [text for _, text in sent(programme, events, "2018-01-01T12:00:00Z")] == ["B", "A"]


def test_a_tick_fires_what_is_due_by_it_in_the_log_and_moves_the_clock():
    programme = directory(
        c="trigger: {event: purchase_completed}\nactions: [{wait: P1D}, {send: {channel: sms, template: a}}]",
        d="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: b}}]",
    )
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        bought("m", "2018-01-01T12:00:00Z"),
        {"type": "tick", "occurred_at": "2018-01-02T18:00:00Z", "clock": "event"},
        event("m", "site_visited", "2018-01-02T13:00:00Z"),
    ]
    # The visit is late now: what it triggers is stamped with the clock, which the tick has moved.
    assert sent(programme, events, "2018-01-03T00:00:00Z", in_order=True) == [
        ("2018-01-02T12:00:00Z", "A"),
        ("2018-01-02T18:00:00Z", "B"),
    ]


def test_a_wall_clock_tick_more_than_five_minutes_late_makes_it_happen_at_the_tick():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        actions: [{wait: P1D}, {send: {channel: sms, template: a}}, {wait: P1D}, {send: {channel: sms, template: b}}]
        """
    )

    def after(tick: str, clock: str) -> list[tuple[str, str]]:
        events = [
            registered("m", "2018-01-01T10:00:00Z"),
            bought("m", "2018-01-01T12:00:00Z"),
            {"type": "tick", "occurred_at": tick, "clock": clock},
        ]
        return sent(programme, events, "2018-01-05T00:00:00Z", in_order=True)

    assert after("2018-01-02T12:05:00Z", "wall") == [("2018-01-02T12:00:00Z", "A"), ("2018-01-03T12:00:00Z", "B")]
    assert after("2018-01-02T12:05:01Z", "wall") == [("2018-01-02T12:05:01Z", "A"), ("2018-01-03T12:05:01Z", "B")]
    assert after("2018-01-02T15:00:00Z", "event") == [("2018-01-02T12:00:00Z", "A"), ("2018-01-03T12:00:00Z", "B")]


def test_events_are_sorted_by_time_and_equal_times_keep_their_order():
    programme = directory(
        c="""
        trigger: {event: product_viewed}
        entry: {while_running: parallel}
        actions: [{webhook: {url: "https://example.com/", body: {sku: "{{ event.sku }}"}}}]
        """
    )
    events = [
        event("m", "product_viewed", "2018-01-02T10:00:00Z", sku="third"),
        event("m", "product_viewed", "2018-01-01T10:00:00Z", sku="first"),
        event("m", "product_viewed", "2018-01-01T10:00:00Z", sku="second"),
    ]
    skus = [line["body"]["sku"] for line in run(programme, events, "2018-01-03T00:00:00Z")]
    assert skus == ["first", "second", "third"]


def test_without_sorting_an_earlier_event_is_late():
    programme = directory(c="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a}}]")
    events = [
        registered("m", "2018-01-01T10:00:00Z"),
        bought("m", "2018-01-03T10:00:00Z"),
        bought("m", "2018-01-02T10:00:00Z"),
    ]
    assert [at for at, _ in sent(programme, events, "2018-01-04T00:00:00Z")] == [
        "2018-01-02T10:00:00Z",
        "2018-01-03T10:00:00Z",
    ]
    assert [at for at, _ in sent(programme, events, "2018-01-04T00:00:00Z", in_order=True)] == [
        "2018-01-03T10:00:00Z",
        "2018-01-03T10:00:00Z",
    ]


def test_a_sorted_file_gives_the_same_in_order():
    programme = directory(c=WAIT_A_DAY, d=WAIT_A_DAY.replace("P1D", "P2D").replace("template: a", "template: b"))
    events = [registered(member, "2018-01-01T10:00:00Z") for member in "abc"]
    events += [
        bought(member, f"2018-01-0{day}T1{hour}:00:00Z") for day in (1, 2, 4) for hour, member in enumerate("abc")
    ]
    lines = run(programme, events, "2018-01-30T00:00:00Z")
    in_order = run(programme, events, "2018-01-30T00:00:00Z", in_order=True)
    assert sorted(map(json.dumps, lines)) == sorted(map(json.dumps, in_order))
    assert len(lines) > 10


def test_the_programme_comes_into_force_at_start():
    programme = directory(
        {"counters.yaml": "counters: {n: {event: purchase_completed, aggregate: count}}"},
        c="""
        trigger: {event: purchase_completed}
        actions: [{webhook: {url: "https://example.com/", body: {n: "{{ counter.n }}"}}}]
        """,
    )
    events = [bought("m", f"2018-01-0{day}T12:00:00Z") for day in (1, 2, 3, 4)]
    lines = run(programme, events, "2018-01-30T00:00:00Z", start="2018-01-03T12:00:00Z")
    assert [(line["at"], line["body"]["n"]) for line in lines] == [
        ("2018-01-03T12:00:00Z", "1"),
        ("2018-01-04T12:00:00Z", "2"),
    ]


def test_a_campaign_that_does_not_match_leaves_no_trace():
    programme = directory(c="trigger: {event: order_placed}\nactions: [{send: {channel: sms, template: a}}]")
    assert happened(programme, [bought("m", "2018-01-01T12:00:00Z")], "2018-02-01T00:00:00Z") == []


def test_a_journey_that_does_everything_is_completed():
    programme = directory(c=WAIT_A_DAY)
    events = [registered("m", "2018-01-01T10:00:00Z"), bought("m", "2018-01-01T12:00:00Z")]
    assert decided(programme, events, "2018-01-03T00:00:00Z") == [("2018-01-02T12:00:00Z", "ended", "completed")]


# An exported log -----------------------------------------------------------------------------------------------------


def log(partition: int, offset: int, line, key: str | None = None):
    """A line as `rekindle log --export` writes it."""
    key = line.get("member_id") if key is None else key
    return {**line, "log": {"partition": partition, "offset": offset, "key": key}}


def test_a_tick_of_a_log_concerns_its_own_partition():
    programme = directory(
        c="trigger: {event: purchase_completed}\nactions: [{wait: P1D}, {send: {channel: sms, template: a}}]",
        d="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: b}}]",
    )
    tick = {"type": "tick", "occurred_at": "2018-01-02T18:00:00Z", "clock": "event"}
    visit = "2018-01-02T11:00:00Z"
    events = [
        log(0, 0, registered("a", "2018-01-01T10:00:00Z")),
        log(1, 0, registered("b", "2018-01-01T10:00:00Z")),
        log(0, 1, bought("a", "2018-01-01T12:00:00Z")),
        log(1, 1, bought("b", "2018-01-01T12:00:00Z")),
        log(1, 2, tick, ""),
        log(0, 2, event("a", "site_visited", visit)),
        log(1, 3, event("b", "site_visited", visit)),
    ]
    events[4]["log"]["key"] = None
    lines = run(programme, events, "2018-01-03T00:00:00Z", in_order=True)
    assert [(line["member_id"], line["at"], line["content"]["text"]) for line in lines] == [
        ("b", "2018-01-02T12:00:00Z", "A"),
        ("a", "2018-01-02T11:00:00Z", "B"),
        ("b", "2018-01-02T18:00:00Z", "B"),
        ("a", "2018-01-02T12:00:00Z", "A"),
    ]


def test_a_log_brings_the_events_that_were_derived():
    programme = directory(
        c="trigger: {event: friend_purchase_completed}\nactions: [{send: {channel: cashier, template: a}}]"
    )
    events = [
        log(0, 0, registered("a", "2018-01-01T10:00:00Z")),
        log(1, 0, registered("b", "2018-01-01T10:00:00Z", referrer_id="a")),
        log(1, 1, bought("b", "2018-01-01T12:00:00Z")),
    ]
    derived = event("a", "friend_purchase_completed", "2018-01-01T12:00:00Z", friend_id="b")
    assert sent(programme, events, "2018-01-03T00:00:00Z", in_order=True) == []
    assert len(sent(programme, [*events, log(0, 1, derived)], "2018-01-03T00:00:00Z", in_order=True)) == 1


def test_a_log_says_from_when_the_programme_was_in_force():
    programme = directory(c="trigger: {event: site_visited}\nactions: [{send: {channel: cashier, template: a}}]")
    applied = {"type": "programme_applied", "occurred_at": "2018-01-02T00:00:00Z", "programme": 1}
    events = [
        log(0, 0, event("a", "site_visited", "2018-01-01T10:00:00Z")),
        log(0, 1, applied, ""),
        log(0, 2, event("a", "site_visited", "2018-01-03T10:00:00Z")),
        log(1, 0, event("b", "site_visited", "2018-01-03T10:00:00Z")),
    ]
    events[1]["log"]["key"] = None
    assert [at for at, _ in sent(programme, events, "2018-02-01T00:00:00Z", in_order=True)] == ["2018-01-03T10:00:00Z"]
