"""Cascades (contract §4.8, fine print "Cascade")."""

from tests.simulation.support import Line, bought, directory, event, happened, registered, run, sent

END = "2018-03-01T00:00:00Z"
CASCADE = """
trigger: {event: site_visited}
cancel_on: [{event: purchase_completed}]
actions:
  - send:
      cascade:
        - {channel: viber, template: a, wait: PT10M, until: %s}
        - {channel: email, template: mail, wait: PT1H, until: delivered}
        - {channel: sms, template: b}
  - send: {channel: cashier, template: c}
"""
START = [registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z")]


def cascade(
    *statuses: tuple[str, str, int], until: str = "delivered", policies: str = "", extra: tuple[Line, ...] = ()
):
    """What happens when these statuses come: (type, at, of which of the dispatches so far)."""
    programme = directory({"policies.yaml": policies or "default_region: RU"}, c=CASCADE % until)
    events = [*START, *extra]
    for kind, at, place in statuses:
        ids = [line["dispatch_id"] for line in run(programme, events, END) if line["channel"] != "cashier"]
        events.append(event("m", kind, at, dispatch_id=ids[place], channel="viber"))
    return [line for line in happened(programme, events, END) if not line.endswith("dispatch C")]


def test_without_a_status_each_step_waits_its_time_and_the_next_is_tried():
    assert cascade() == [
        "2018-01-02T12:00:00Z dispatch A",
        "2018-01-02T12:10:00Z dispatch Text",
        "2018-01-02T13:10:00Z dispatch B",
        "2018-01-02T13:10:00Z ended completed",
    ]


def test_the_journey_goes_on_after_the_first_message():
    programme = directory(c=CASCADE % "delivered")
    assert sent(programme, START, END)[:2] == [("2018-01-02T12:00:00Z", "A"), ("2018-01-02T12:00:00Z", "C")]


def test_delivered_is_also_met_by_opened_and_clicked():
    for kind in ("message_delivered", "message_opened", "message_clicked"):
        assert cascade((kind, "2018-01-02T12:05:00Z", 0)) == [
            "2018-01-02T12:00:00Z dispatch A",
            "2018-01-02T12:05:00Z ended completed",
        ]


def test_opened_is_also_met_by_clicked_but_not_by_delivered():
    assert len(cascade(("message_clicked", "2018-01-02T12:05:00Z", 0), until="opened")) == 2
    assert len(cascade(("message_opened", "2018-01-02T12:05:00Z", 0), until="opened")) == 2
    assert len(cascade(("message_delivered", "2018-01-02T12:05:00Z", 0), until="opened")) == 4
    assert len(cascade(("message_sent", "2018-01-02T12:05:00Z", 0))) == 4


def test_a_status_at_the_very_end_of_the_wait_comes_too_late():
    assert len(cascade(("message_delivered", "2018-01-02T12:10:00Z", 0))) == 4


def test_a_failure_falls_to_the_next_at_once():
    assert cascade(("message_failed", "2018-01-02T12:03:00Z", 0)) == [
        "2018-01-02T12:00:00Z dispatch A",
        "2018-01-02T12:03:00Z dispatch Text",
        "2018-01-02T13:03:00Z dispatch B",
        "2018-01-02T13:03:00Z ended completed",
    ]


def test_a_status_of_another_message_changes_nothing():
    late_failure = cascade(("message_failed", "2018-01-02T12:30:00Z", 0))
    assert late_failure == cascade()


def test_a_suppressed_step_falls_to_the_next_at_once():
    no_viber = event("m", "subscription_changed", "2018-01-01T01:00:00Z", channel="viber", subscribed=False)
    assert cascade(extra=(no_viber,)) == [
        "2018-01-02T12:00:00Z suppressed unsubscribed",
        "2018-01-02T12:00:00Z dispatch Text",
        "2018-01-02T13:00:00Z dispatch B",
        "2018-01-02T13:00:00Z ended completed",
    ]


def test_a_deferred_step_waits_from_when_it_is_sent():
    policies = 'quiet_hours: {from: "15:00", to: "15:30"}'
    assert cascade(policies=policies) == [
        "2018-01-02T12:00:00Z deferred quiet_hours",
        "2018-01-02T12:30:00Z dispatch A",
        "2018-01-02T12:40:00Z dispatch Text",
        "2018-01-02T13:40:00Z dispatch B",
        "2018-01-02T13:40:00Z ended completed",
    ]


def test_a_cancel_event_takes_the_rest_back():
    assert cascade(extra=(bought("m", "2018-01-02T12:30:00Z"),)) == [
        "2018-01-02T12:00:00Z dispatch A",
        "2018-01-02T12:10:00Z dispatch Text",
        "2018-01-02T12:30:00Z cancelled cancelled",
    ]


def test_steps_share_the_actions_path_and_have_ids_of_their_own():
    lines = run(directory(c=CASCADE % "delivered"), START, END)
    assert {line["action"] for line in lines if line["channel"] != "cashier"} == {"actions[0]"}
    assert len({line["dispatch_id"] for line in lines}) == 4
