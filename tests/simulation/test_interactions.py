"""Rules that meet: late events and waits, goals and parallel journeys, caps and quiet hours, changes of clocks."""

import pytest

from tests.simulation.support import bought, directory, event, happened, registered, sent

END = "2018-01-12T00:00:00Z"
SMS, TILL = "{send: {channel: sms, template: a}}", "{send: {channel: cashier, template: b}}"
VISITED = "trigger: {event: site_visited}\n"
WAITS = f"""
trigger: {{event: site_visited}}
cancel_on: [{{event: order_placed}}]
actions:
  - wait: {{for: {{event: purchase_completed}}, timeout: PT2H, on_timeout: [{TILL}]}}
  - send: {{channel: cashier, template: a}}
"""


def at(clock):
    return f"2018-01-10T{clock}Z"


def visit(clock, **fields):
    return event("m", "site_visited", at(clock), **fields)


@pytest.mark.parametrize(
    ("late", "expected"),
    [
        (bought("m", at("10:00:00")), ["11:30:00Z dispatch A", "11:30:00Z ended completed"]),
        (bought("m", at("09:59:59")), ["12:00:00Z dispatch B", "12:00:00Z dispatch A", "12:00:00Z ended completed"]),
        (event("m", "order_placed", at("10:00:00")), ["11:30:00Z cancelled cancelled"]),
        (
            event("m", "order_placed", at("09:59:59.999")),
            ["12:00:00Z dispatch B", "12:00:00Z dispatch A", "12:00:00Z ended completed"],
        ),
    ],
)
def test_a_late_event_at_the_moment_of_entry_still_counts_and_one_before_it_does_not(late, expected):
    events = [visit("10:00:00"), event("m", "poll_answered", at("11:30:00")), late]
    lines = happened(directory(c=WAITS), events, END, in_order=True)
    assert lines == [f"2018-01-10T{line}" for line in expected]


def test_a_late_trigger_whose_wait_has_run_out_times_out_now():
    events = [event("m", "poll_answered", at("13:00:00")), visit("10:00:00")]
    assert happened(directory(c=WAITS), events, END, in_order=True) == [
        at("13:00:00") + " dispatch B",
        at("13:00:00") + " dispatch A",
        at("13:00:00") + " ended completed",
    ]


def test_a_goal_ends_every_parallel_journey():
    campaign = f"""
    trigger: {{event: site_visited}}
    entry: {{while_running: parallel}}
    goal: {{event: purchase_completed, ends: true}}
    actions: [{{wait: P1D}}, {TILL}]
    """
    events = [visit("10:00:00"), visit("11:00:00"), bought("m", at("12:00:00"))]
    assert happened(directory(c=campaign), events, END) == [at("12:00:00") + " ended goal"] * 2


def test_an_event_that_ends_a_wait_reaches_the_goal_only_if_the_journey_still_runs():
    campaign = f"""
    trigger: {{event: site_visited}}
    goal: {{event: purchase_completed, ends: true}}
    actions: [{{wait: {{for: {{event: purchase_completed}}}}}}, {TILL}, {{wait: PT0S}}, {TILL}]
    """
    events = [visit("10:00:00"), bought("m", at("12:00:00"))]
    assert happened(directory(c=campaign), events, END) == [
        at("12:00:00") + " dispatch B",
        at("12:00:00") + " ended goal",
    ]


def test_a_cap_puts_off_into_quiet_hours_and_these_put_off_again():
    policies = """
    default_time_zone: UTC
    quiet_hours: {from: "21:00", to: "09:00"}
    frequency_caps: [{channel: sms, max: 1, per: PT10H, then: defer}]
    """
    programme = directory(
        {"policies.yaml": policies}, c=f"{VISITED}entry: {{while_running: parallel}}\nactions: [{SMS}]"
    )
    events = [registered("m", at("00:00:00")), visit("12:00:00"), visit("13:00:00")]
    assert happened(programme, events, END) == [
        at("12:00:00") + " dispatch A",
        at("12:00:00") + " ended completed",
        at("13:00:00") + " deferred frequency_cap",
        at("22:00:00") + " deferred quiet_hours",
        "2018-01-11T09:00:00Z dispatch A",
        "2018-01-11T09:00:00Z ended completed",
    ]


def test_a_member_who_moves_while_a_message_is_put_off_is_asked_in_the_new_zone():
    policies = 'default_time_zone: UTC\nquiet_hours: {from: "21:00", to: "09:00"}'
    events = [
        registered("m", at("00:00:00"), time_zone="UTC"),
        visit("23:00:00"),
        event("m", "profile_updated", at("23:30:00"), time_zone="America/New_York"),
    ]
    assert happened(directory({"policies.yaml": policies}, c=f"{VISITED}actions: [{SMS}]"), events, END) == [
        at("23:00:00") + " deferred quiet_hours",
        "2018-01-11T09:00:00Z deferred quiet_hours",
        "2018-01-11T14:00:00Z dispatch A",
        "2018-01-11T14:00:00Z ended completed",
    ]


@pytest.mark.parametrize(
    ("visited", "due"),
    [
        ("2018-03-25T01:15:00Z", "2018-03-25T01:30:00Z"),  # 02:30 doesn't exist: read with the offset before
        ("2018-10-27T20:00:00Z", "2018-10-28T00:30:00Z"),  # twice: the first
        ("2018-10-28T00:30:00Z", "2018-10-29T01:30:00Z"),  # never the present one
        ("2018-10-28T00:45:00Z", "2018-10-29T01:30:00Z"),  # between the two
    ],
)
def test_a_wait_until_a_local_time_around_a_change_of_clocks(visited, due):
    programme = directory(c=f'{VISITED}actions: [{{wait: {{until: "02:30"}}}}, {TILL}]')
    events = [
        registered("m", "2018-03-01T12:00:00Z", time_zone="Europe/Berlin"),
        event("m", "site_visited", visited),
    ]
    assert sent(programme, events, "2018-12-01T00:00:00Z") == [(due, "B")]


def test_a_day_that_a_zone_skipped():
    """Samoa had no 30 December 2011; its ten o'clock is read with the offset before, and is that of the 31st."""
    programme = directory(c=f'trigger: {{date: birth_date, at: "10:00"}}\nactions: [{TILL}]')
    events = [registered("m", "2011-12-20T12:00:00Z", time_zone="Pacific/Apia", birth_date="1980-12-30")]
    assert sent(programme, events, "2012-02-01T00:00:00Z") == [("2011-12-30T20:00:00Z", "B")]


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([("sms", None, True), (None, "marketing", False)], "A"),
        ([("sms", "marketing", True), ("sms", None, False), (None, "marketing", False), (None, None, False)], "A"),
        ([(None, "marketing", True), (None, None, False)], "A"),
        ([("sms", None, True), ("sms", None, False)], None),
    ],
)
def test_an_older_narrower_statement_beats_newer_wider_ones(statements, expected):
    events = [registered("m", at("00:00:00"))]
    for hour, (channel, kind, subscribed) in enumerate(statements):
        events.append(
            event(
                "m",
                "subscription_changed",
                at(f"0{hour + 1}:00:00"),
                channel=channel,
                messaging_type=kind,
                subscribed=subscribed,
            )
        )
    events.append(visit("12:00:00"))
    texts = [text for _, text in sent(directory(c=f"{VISITED}actions: [{SMS}]"), events, END)]
    assert texts == ([expected] if expected else [])
