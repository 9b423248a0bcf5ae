"""Programmes that come into force while journeys run (contract §4.7, §3 status)."""

import pytest

from tests.simulation.support import Live, bought, event, registered

TRIGGER = "trigger: {event: site_visited}\nentry: {while_running: parallel}\n"
V1 = TRIGGER + "version: 1\nactions: [{wait: P1D}, {send: {channel: sms, template: a}}]"
V2 = TRIGGER + "version: 2\nactions: [{wait: P1D}, {send: {channel: sms, template: b}}]"
KNOWN = registered("m", "2018-01-01T00:00:00Z")


def visited(at: str):
    return event("m", "site_visited", at)


def running(**campaigns: str) -> Live:
    """A member with a journey of version 1 that waits since 2 January, noon."""
    live = Live()
    live.apply("2018-01-01T00:00:00Z", **(campaigns or {"c": V1}))
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    return live


def test_a_journey_keeps_the_version_it_entered_with():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.handle(visited("2018-01-02T20:00:00Z"))
    live.tick("2018-01-10T00:00:00Z")
    assert [(line["content"]["text"], line["version"]) for line in live.lines if line["kind"] == "dispatch"] == [
        ("A", 1),
        ("B", 2),
    ]


def test_unless_the_new_version_moves_it():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2 + "\nin_flight: move")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == ["2018-01-03T12:00:00Z dispatch B", "2018-01-03T12:00:00Z ended completed"]


def test_a_moved_message_keeps_the_id_of_the_version_entered():
    quiet = {"policies.yaml": 'quiet_hours: {from: "21:00", to: "09:00"}'}
    now = TRIGGER + "version: %d\nin_flight: move\nactions: [{send: {channel: sms, template: %s}}]"
    ids = []
    for second in ((1, "a"), (2, "b")):
        live = Live()
        live.apply("2018-01-01T00:00:00Z", quiet, c=now % (1, "a"))
        live.handle(KNOWN, visited("2018-01-02T20:00:00Z"))
        live.apply("2018-01-02T21:00:00Z", quiet, c=now % second)
        live.tick("2018-01-10T00:00:00Z")
        ids += [(line["dispatch_id"], line["content"]["text"]) for line in live.lines if line["kind"] == "dispatch"]
    assert [text for _, text in ids] == ["A", "B"]
    assert ids[0][0] == ids[1][0]


def test_moved_to_a_wait_that_is_another_it_is_reckoned_from_when_the_wait_began():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=V2.replace("P1D", "P3D") + "\nin_flight: move")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-05T12:00:00Z dispatch B"
    overdue = running()
    overdue.apply("2018-01-02T18:00:00Z", c=V2.replace("P1D", "PT1H") + "\nin_flight: move")
    assert overdue.happened()[0] == "2018-01-02T18:00:00Z dispatch B"


def test_moved_from_a_wait_for_an_event_to_one_for_a_time_it_does_not_get_stuck():
    waiting = TRIGGER + "actions: [{wait: {for: {event: purchase_completed}}}, {send: {channel: sms, template: a}}]"
    live = running(c=waiting)
    live.apply("2018-01-02T18:00:00Z", c=V2 + "\nin_flight: move")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch B"


def test_moved_to_where_there_is_no_such_wait_it_ends():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=TRIGGER + "version: 2\nin_flight: move\nactions: [{set: {a: 1}}]")
    assert live.happened() == ["2018-01-02T18:00:00Z ended campaign_stopped"]


@pytest.mark.parametrize("second", [{"c": V2 + "\nin_flight: stop"}, {"c": V1 + "\nstatus: stopped"}, {"d": V1}])
def test_or_stops_it(second):
    live = running()
    live.apply("2018-01-02T18:00:00Z", **second)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == ["2018-01-02T18:00:00Z ended campaign_stopped"]


def test_stop_concerns_earlier_versions_only():
    live = running(c=V1 + "\nin_flight: stop")
    live.apply("2018-01-02T18:00:00Z", c=V1 + "\nin_flight: stop\npriority: 5")
    live.tick("2018-01-10T00:00:00Z")
    assert "2018-01-03T12:00:00Z dispatch A" in live.happened()


def test_a_definition_that_was_changed_under_its_version():
    live = running()
    live.apply("2018-01-02T18:00:00Z", c=TRIGGER + "version: 1\nactions: [{send: {channel: sms, template: b}}]")
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened() == ["2018-01-02T18:00:00Z ended campaign_stopped"]


def test_what_was_due_before_is_the_earlier_programmes():
    live = running()
    live.apply("2018-01-03T12:00:00Z", d=V1)
    assert live.happened() == ["2018-01-03T12:00:00Z dispatch A", "2018-01-03T12:00:00Z ended completed"]


# Paused --------------------------------------------------------------------------------------------------------------

TWO = (
    TRIGGER
    + """\
cancel_on: [{event: purchase_completed}]
actions: [{wait: P1D}, {send: {channel: sms, template: a}}, {wait: P1D}, {send: {channel: sms, template: b}}]
"""
)


def test_paused_timers_wait():
    live = running(c=TWO)
    live.apply("2018-01-02T18:00:00Z", c=TWO + "status: paused")
    live.tick("2018-01-10T10:00:00Z")
    assert live.happened() == []
    live.apply("2018-01-10T10:00:00Z", c=TWO)
    live.tick("2018-01-30T10:00:00Z")
    assert live.happened() == [
        "2018-01-10T10:00:00Z dispatch A",
        "2018-01-11T10:00:00Z dispatch B",
        "2018-01-11T10:00:00Z ended completed",
    ]


def test_a_pause_that_is_over_before_the_timer_changes_nothing():
    live = running(c=TWO)
    live.apply("2018-01-02T18:00:00Z", c=TWO + "status: paused")
    live.apply("2018-01-02T19:00:00Z", c=TWO)
    live.tick("2018-01-30T10:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch A"


def test_paused_it_is_still_cancelled():
    live = running(c=TWO)
    live.apply("2018-01-02T18:00:00Z", c=TWO + "status: paused")
    live.handle(bought("m", "2018-01-05T18:00:00Z"))
    live.apply("2018-01-10T10:00:00Z", c=TWO)
    live.tick("2018-01-30T10:00:00Z")
    assert live.happened() == ["2018-01-05T18:00:00Z cancelled cancelled"]


def test_paused_it_is_not_entered():
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c=V1 + "\nstatus: paused")
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    assert live.happened() == ["2018-01-02T12:00:00Z refused inactive"]


# What else a programme brings -----------------------------------------------------------------------------------------


def counters(definition: str) -> dict[str, str]:
    return {"counters.yaml": f"counters: {{x: {definition}}}"}


COUNT = "{event: purchase_completed, aggregate: count}"
ASK = """
trigger: {event: feedback_received}
actions: [{webhook: {url: "https://example.com/", body: "{{ counter.x }}"}}]
"""


def asked(live: Live, at: str) -> str:
    live.handle(event("m", "feedback_received", at))
    body: str = [line for line in live.lines if line["kind"] == "webhook"][-1]["body"]
    return body


def test_a_new_or_changed_counter_counts_from_when_its_programme_comes_into_force():
    live = Live()
    live.apply("2018-01-01T00:00:00Z", counters(COUNT), c=ASK)
    live.handle(bought("m", "2018-01-02T00:00:00Z"))
    assert asked(live, "2018-01-02T01:00:00Z") == "1"
    live.apply("2018-01-03T00:00:00Z", counters(COUNT), c=ASK)
    assert asked(live, "2018-01-03T01:00:00Z") == "1"
    live.apply("2018-01-04T00:00:00Z", counters(COUNT.replace("purchase_completed", "site_visited")), c=ASK)
    assert asked(live, "2018-01-04T01:00:00Z") == "0"
    live.apply("2018-01-05T00:00:00Z", counters(COUNT), c=ASK)
    assert asked(live, "2018-01-05T01:00:00Z") == "0"


def test_a_mailing_at_once_runs_once_per_version_and_when_it_is_live():
    now = "trigger: {now: true}\nversion: %d\nactions: [{send: {channel: cashier, template: a}}]"
    live = Live()
    live.handle(KNOWN)
    live.apply("2018-01-02T00:00:00Z", c=now % 1 + "\nstatus: draft")
    assert [line for line in live.happened() if "dispatch" in line] == []
    for day, version in ((3, 1), (4, 1), (5, 2), (6, 1)):
        live.apply(f"2018-01-0{day}T00:00:00Z", c=now % version)
    assert [line for line in live.happened() if "dispatch" in line] == [
        "2018-01-03T00:00:00Z dispatch A",
        "2018-01-05T00:00:00Z dispatch A",
    ]


def test_a_hundred_scheduled_mailings_do_not_make_one_at_once_forgotten():
    both = {
        "now": "trigger: {now: true}\nactions: [{send: {channel: cashier, template: a}}]",
        "daily": 'trigger: {schedule: {cron: "0 10 * * *"}}\nactions: [{send: {channel: cashier, template: b}}]',
    }
    live = Live()
    live.handle(KNOWN)
    live.apply("2018-01-02T00:00:00Z", **both)
    live.tick("2018-12-31T00:00:00Z")
    live.apply("2018-12-31T00:00:00Z", **both)
    texts = [line.split()[-1] for line in live.happened() if "dispatch" in line]
    assert texts.count("A") == 1
    assert texts.count("B") == 363


def test_dates_and_carts_of_a_new_campaign_are_found_for_members_who_are_known():
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c=V1)
    live.handle(
        registered("m", "2018-01-01T00:00:00Z", birth_date="1990-02-01"),
        event("m", "cart_item_added", "2018-01-02T12:00:00Z", sku="1"),
    )
    live.apply(
        "2018-01-02T12:30:00Z",
        dated='trigger: {date: birth_date, at: "10:00"}\nactions: [{send: {channel: cashier, template: a}}]',
        hour="trigger: {cart_abandoned: {after: PT1H}}\nactions: [{send: {channel: cashier, template: b}}]",
        minute="trigger: {cart_abandoned: {after: PT1M}}\nactions: [{send: {channel: cashier, template: c}}]",
    )
    live.tick("2018-03-01T00:00:00Z")
    assert [line for line in live.happened() if "dispatch" in line] == [
        "2018-01-02T13:00:00Z dispatch B",
        "2018-02-01T07:00:00Z dispatch A",
    ]


def test_a_messaging_type_that_the_new_policies_lack():
    digest = {"policies.yaml": "messaging_types: {digest: {consent: none}}"}
    waiting = V1.replace("template: a", "template: a, messaging_type: digest")
    live = Live()
    live.apply("2018-01-01T00:00:00Z", digest, c=waiting)
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch A"


def test_a_template_that_the_new_programme_lacks_is_still_there_for_those_on_their_way():
    extra = {"templates/extra.yaml": "templates: [{id: extra, text: Extra}]"}
    live = Live()
    live.apply("2018-01-01T00:00:00Z", extra, c=V1.replace("template: a", "template: extra"))
    live.handle(KNOWN, visited("2018-01-02T12:00:00Z"))
    live.apply("2018-01-02T18:00:00Z", c=V2)
    live.tick("2018-01-10T00:00:00Z")
    assert live.happened()[0] == "2018-01-03T12:00:00Z dispatch Extra"
