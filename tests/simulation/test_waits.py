"""Waits, exits, branches (contract §3 Actions, fine print "Wait for", "Durations", "Local times")."""

import pytest

from tests.simulation.support import bought, directory, event, happened, registered, run, sent

END = "2019-01-01T00:00:00Z"


def after(wait: str, entered: str, **profile: str) -> str:
    """When a wait that begins at `entered` is over."""
    programme = directory(c=f"trigger: {{event: site_visited}}\nactions: [{{wait: {wait}}}, {{set: {{a: 1}}}}]")
    events = [registered("m", "2016-01-01T00:00:00Z", **profile), event("m", "site_visited", entered)]
    (line,) = run(programme, events, "2020-01-01T00:00:00Z", kinds=("decision",))
    at: str = line["at"]
    return at


@pytest.mark.parametrize(
    ("wait", "entered", "over"),
    [
        ("P14D", "2018-01-01T12:00:00Z", "2018-01-15T12:00:00Z"),
        ("PT36H", "2018-01-01T12:00:00Z", "2018-01-03T00:00:00Z"),
        ("P1W", "2018-01-01T12:00:00Z", "2018-01-08T12:00:00Z"),
        ("P1M", "2018-01-31T12:00:00Z", "2018-02-28T12:00:00Z"),
        ("P1M", "2016-01-31T12:00:00Z", "2016-02-29T12:00:00Z"),
        ("P1Y", "2016-02-29T12:00:00Z", "2017-02-28T12:00:00Z"),
        ("P1M1D", "2018-01-31T12:00:00Z", "2018-03-01T12:00:00Z"),
        ("PT1.5S", "2018-01-01T12:00:00Z", "2018-01-01T12:00:01.500Z"),
    ],
)
def test_durations_are_clock_time_up_to_days_and_calendar_months_in_utc(wait, entered, over):
    assert after(wait, entered) == over


def test_a_day_is_twenty_four_hours_also_when_clocks_change():
    assert after("P1D", "2018-03-24T12:00:00Z", time_zone="Europe/Berlin") == "2018-03-25T12:00:00Z"


@pytest.mark.parametrize(
    ("until", "entered", "zone", "over"),
    [
        ("10:00", "2018-01-01T06:59:59Z", "Europe/Moscow", "2018-01-01T07:00:00Z"),
        ("10:00", "2018-01-01T07:00:00Z", "Europe/Moscow", "2018-01-02T07:00:00Z"),  # never the present one
        ("10:00", "2018-01-01T06:59:59Z", "Asia/Vladivostok", "2018-01-02T00:00:00Z"),
        # In the gap (02:00-03:00 on 25 March): read with the offset before the change, 01:30 UTC.
        ("02:30", "2018-03-24T12:00:00Z", "Europe/Berlin", "2018-03-25T01:30:00Z"),
        # Twice (on 28 October): the first, 00:30 UTC; and once only.
        ("02:30", "2018-10-27T12:00:00Z", "Europe/Berlin", "2018-10-28T00:30:00Z"),
        ("02:30", "2018-10-28T00:30:00Z", "Europe/Berlin", "2018-10-29T01:30:00Z"),
        # A gap at midnight: 00:30 on 4 November is 01:30 there, 03:30 UTC.
        ("00:30", "2018-11-03T12:00:00Z", "America/Sao_Paulo", "2018-11-04T03:30:00Z"),
    ],
)
def test_wait_until_a_time_of_the_members_day(until, entered, zone, over):
    assert after(f'{{until: "{until}"}}', entered, time_zone=zone) == over


WAIT_FOR = """
trigger: {event: site_visited}
entry: {while_running: parallel}
actions:
  - wait: {for: {event: feedback_received, where: {text: {ne: "no"}}}, timeout: P3D, on_timeout: %s}
  - send: {channel: sms, template: a}
"""


def waited(on_timeout: str, *answers: tuple[str, str]) -> list[str]:
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z")]
    events += [event("m", "feedback_received", at, text=text) for at, text in answers]
    return happened(directory(c=WAIT_FOR % on_timeout), events, END)


def test_on_the_event_the_journey_goes_on_after_the_wait():
    assert waited("[{exit: silent}]", ("2018-01-03T12:00:00Z", "no"), ("2018-01-03T13:00:00Z", "yes")) == [
        "2018-01-03T13:00:00Z dispatch A",
        "2018-01-03T13:00:00Z ended completed",
    ]


def test_on_time_out_it_does_on_timeout_and_then_goes_on():
    assert waited("[{send: {channel: sms, template: b}}]") == [
        "2018-01-05T12:00:00Z dispatch B",
        "2018-01-05T12:00:00Z dispatch A",
        "2018-01-05T12:00:00Z ended completed",
    ]


def test_unless_an_exit_is_met():
    assert waited("[{exit: silent}]") == ["2018-01-05T12:00:00Z ended exited"]


def test_without_on_timeout_it_goes_on():
    assert waited("[]") == ["2018-01-05T12:00:00Z dispatch A", "2018-01-05T12:00:00Z ended completed"]


def test_an_event_at_the_very_time_out_comes_too_late():
    assert waited("[{exit: silent}]", ("2018-01-05T12:00:00Z", "yes")) == ["2018-01-05T12:00:00Z ended exited"]
    assert "2018-01-05T11:59:59Z dispatch A" in waited("[{exit: silent}]", ("2018-01-05T11:59:59Z", "yes"))


def test_a_wait_without_time_out_waits_for_ever():
    programme = directory(
        c="trigger: {event: site_visited}\n"
        "actions: [{wait: {for: {event: feedback_received}}}, {send: {channel: sms, template: a}}]"
    )
    events = [registered("m", "2010-01-01T00:00:00Z"), event("m", "site_visited", "2010-01-02T12:00:00Z")]
    assert sent(programme, events, END) == []
    assert sent(programme, [*events, event("m", "feedback_received", "2018-05-05T12:00:00Z")], END) == [
        ("2018-05-05T12:00:00Z", "A")
    ]


def test_a_wait_may_compare_the_event_with_the_entry_event():
    programme = directory(
        c="""
        trigger: {event: order_placed}
        entry: {while_running: parallel}
        cancel_on: [{event: order_cancelled, where: {order_id: {ref: entry.order_id}}}]
        actions: [{wait: P1D}, {webhook: {url: "https://example.com/", body: "{{ event.order_id }}"}}]
        """
    )
    events = [event("m", "order_placed", f"2018-01-02T1{number}:00:00Z", order_id=str(number)) for number in (1, 2, 3)]
    events.append(event("m", "order_cancelled", "2018-01-02T18:00:00Z", order_id="2"))
    assert [line["body"] for line in run(programme, events, END)] == ["1", "3"]


def test_of_waits_for_a_status_of_that_very_message():
    programme = directory(
        c="""
        trigger: {event: site_visited}
        actions:
          - send: {channel: sms, template: a, as: first}
          - send: {channel: email, template: mail, as: second}
          - wait: {for: {event: message_opened, of: second}, timeout: P3D, on_timeout: [{exit: unread}]}
          - send: {channel: sms, template: b}
        """
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z")]
    first, second = (line["dispatch_id"] for line in run(programme, events, END))

    def opened(dispatch_id: str) -> list[tuple[str, str]]:
        status = event("m", "message_opened", "2018-01-02T13:00:00Z", dispatch_id=dispatch_id, channel="email")
        return sent(programme, [*events, status], END)[2:]

    assert opened(second) == [("2018-01-02T13:00:00Z", "B")]
    assert opened(first) == []


def test_if_asks_the_entry_event_and_the_member_as_they_are_then():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        entry: {while_running: parallel}
        actions:
          - wait: P1D
          - if: {total: {gt: 50}, member.purchases.count: 2}
            then: [{send: {channel: sms, template: a}}, {exit: done}]
            else: [{send: {channel: sms, template: b}}]
          - send: {channel: sms, template: c}
        """
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        bought("m", "2018-01-02T12:00:00Z", total=100),
        bought("m", "2018-01-02T13:00:00Z", total=10),
    ]
    lines = run(programme, events, END)
    assert [(line["content"]["text"], line["action"]) for line in lines] == [
        ("A", "actions[1].then[0]"),
        ("B", "actions[1].else[0]"),
        ("C", "actions[2]"),
    ]


def test_a_select_that_fails_ends_the_journey_wherever_it_stands():
    programme = directory(
        {"segments/rich.yaml": "id: rich\nwhere: {member.purchases.total: {ge: 1000}}"},
        c="""
        trigger: {event: purchase_completed}
        entry: {while_running: parallel}
        actions:
          - if: {total: {gt: 0}}
            then: [{select: {segment: rich}}]
          - send: {channel: sms, template: a}
        """,
    )
    events = [
        registered("m", "2018-01-01T00:00:00Z"),
        bought("m", "2018-01-02T12:00:00Z", total=100),
        bought("m", "2018-01-02T13:00:00Z", total=900),
    ]
    assert happened(programme, events, END) == [
        "2018-01-02T12:00:00Z ended exited",
        "2018-01-02T13:00:00Z dispatch A",
        "2018-01-02T13:00:00Z ended completed",
    ]


def test_set_states_attributes_and_null_takes_them_away():
    programme = directory(
        c="""
        trigger: {event: site_visited}
        actions:
          - set: {level: 12.5, name: x, gone: null}
          - webhook: {url: "https://example.com/", body: "{{ member.attributes.level }} {{ member.attributes.name }}"}
          - webhook: {url: "https://example.com/", body: "{{ member.attributes.gone }}"}
        """
    )
    events = [
        event("m", "profile_updated", "2018-01-01T00:00:00Z", attributes={"gone": "here"}),
        event("m", "site_visited", "2018-01-02T12:00:00Z"),
    ]
    assert [line["body"] for line in run(programme, events, END)] == ["12.5 x"]
    assert "2018-01-02T12:00:00Z suppressed template_error" in happened(programme, events, END)
