"""What a dispatch carries, and what becomes of a message that is still pending (contract §4.8)."""

from schemas.values import parse_time
from streams.engine.commands import Dispatch
from streams.simulate import simulate
from tests.simulation.support import bought, directory, event, happened, records, registered, sent

END = "2018-03-01T00:00:00Z"
QUIET = 'quiet_hours: {from: "21:00", to: "09:00"}\n'


# While a message is pending ------------------------------------------------------------------------------------------


def test_the_journey_goes_on_at_once_and_runs_until_its_last_message_is_decided():
    programme = directory(
        {"policies.yaml": QUIET},
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: sms, template: a}
          - send: {channel: cashier, template: b}
          - exit: done
        """,
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "site_visited", "2018-01-02T20:00:00Z"),
        event("m", "site_visited", "2018-01-02T22:00:00Z"),
    ]
    assert happened(programme, events, END) == [
        "2018-01-02T20:00:00Z deferred quiet_hours",
        "2018-01-02T20:00:00Z dispatch B",
        "2018-01-02T22:00:00Z refused already_running",
        "2018-01-03T06:00:00Z dispatch A",
        "2018-01-03T06:00:00Z ended exited",
    ]


def test_a_cancel_event_takes_a_deferred_message_back():
    programme = directory(
        {"policies.yaml": QUIET},
        c="""
        trigger: {event: site_visited}
        cancel_on: [{event: purchase_completed}]
        actions: [{send: {channel: sms, template: a}}]
        """,
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "site_visited", "2018-01-02T20:00:00Z"),
        bought("m", "2018-01-02T22:00:00Z"),
    ]
    assert happened(programme, events, END) == [
        "2018-01-02T20:00:00Z deferred quiet_hours",
        "2018-01-02T22:00:00Z cancelled cancelled",
    ]


def test_a_restart_takes_a_deferred_message_back():
    programme = directory(
        {"policies.yaml": QUIET},
        c="""
        trigger: {event: site_visited}
        entry: {while_running: restart}
        actions: [{send: {channel: sms, template: a}}, {wait: P1D}]
        """,
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "site_visited", "2018-01-02T20:00:00Z"),
        event("m", "site_visited", "2018-01-02T22:00:00Z"),
    ]
    assert sent(programme, events, END) == [("2018-01-03T06:00:00Z", "A")]


def test_consent_is_asked_again_when_a_deferred_message_comes_up():
    programme = directory(
        {"policies.yaml": QUIET}, c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a}}]"
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        event("m", "site_visited", "2018-01-02T20:00:00Z"),
        event("m", "subscription_changed", "2018-01-02T22:00:00Z", channel="sms", subscribed=False),
    ]
    assert happened(programme, events, END)[1] == "2018-01-03T06:00:00Z suppressed unsubscribed"


# What a dispatch carries ---------------------------------------------------------------------------------------------


def test_not_after_is_the_expiry_or_when_quiet_hours_next_begin():
    from streams.output_lines import iso

    programme = directory(
        {"policies.yaml": QUIET},
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: sms, template: a}
          - send: {channel: sms, template: a, expires: PT1H}
          - send: {channel: sms, template: a, expires: P1D}
          - send: {channel: cashier, template: a, expires: P1D}
          - send: {channel: receipt, template: a}
          - send: {channel: sms, template: a, messaging_type: service}
        """,
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z")]
    output = simulate(programme, records(events), until=parse_time(END))
    found = [item.not_after for item in output if isinstance(item, Dispatch)]
    assert [None if at is None else iso(at) for at in found] == [
        "2018-01-02T18:00:00Z",
        "2018-01-02T13:00:00Z",
        "2018-01-02T18:00:00Z",
        "2018-01-03T12:00:00Z",
        None,
        None,
    ]


def test_a_poll_asks_its_questions():
    programme = directory(
        {
            "polls/after.yaml": 'id: after\nquestions: [{id: q1, text: "How was it?", options: [good, bad]}]',
            "templates/poll.yaml": """
                templates:
                  - id: poll
                    text: "{{ poll.questions[0].text }} {{ poll.questions[0].options | join: '/' }} {{ campaign.id }}"
            """,
        },
        c="trigger: {event: site_visited}\nactions: [{poll: {poll: after, channel: sms, template: poll}}]",
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z")]
    assert sent(programme, events, END) == [("2018-01-02T12:00:00Z", "How was it? good/bad c")]


def test_a_template_that_names_what_is_null_suppresses_the_dispatch():
    programme = directory(
        {
            "templates/names.yaml": """
                templates:
                  - {id: name, text: "{{ member.first_name }}"}
                  - {id: event, text: "{{ event.store_id }}"}
                  - {id: guarded, text: "{% if member.first_name %}{{ member.first_name }}{% else %}friend{% endif %}"}
            """
        },
        c="""
        trigger: {event: purchase_completed}
        actions:
          - send: {channel: cashier, template: name}
          - send: {channel: cashier, template: event}
          - send: {channel: cashier, template: guarded}
        """,
    )
    assert happened(programme, [bought("m", "2018-01-02T12:00:00Z")], END)[:3] == [
        "2018-01-02T12:00:00Z suppressed template_error",
        "2018-01-02T12:00:00Z suppressed template_error",
        "2018-01-02T12:00:00Z dispatch friend",
    ]


def test_a_goal_that_ends_the_journey_takes_back_what_is_pending():
    programme = directory(
        {"policies.yaml": QUIET},
        c="""
        trigger: {event: site_visited}
        goal: {event: purchase_completed, where: {total: {ge: 50}}, ends: true}
        actions: [{send: {channel: sms, template: a}}]
        """,
    )
    visit = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T20:00:00Z")]
    assert sent(programme, [*visit, bought("m", "2018-01-02T22:00:00Z", total=10)], END) != []
    assert happened(programme, [*visit, bought("m", "2018-01-02T22:00:00Z", total=50)], END)[1:] == [
        "2018-01-02T22:00:00Z ended goal"
    ]
