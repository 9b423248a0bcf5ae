"""Which dispatch a purchase belongs to (contract §4.10), and what returns and cancelled orders take back."""

import pytest

from streams.engine import limits
from streams.engine.state_bytes import decode
from tests.simulation.support import Live, bought, directory, event, registered, run

DAY_1 = "2018-01-01T12:00:00Z"
END = "2018-12-31T00:00:00Z"


def two_messages(goal: str = "{event: purchase_completed, within: P7D}", then: str = "P1D"):
    """An SMS upon registration, and an e-mail so much later."""
    return directory(
        c=f"""
        version: 3
        trigger: {{event: registration_completed}}
        goal: {goal}
        actions:
          - send: {{channel: sms, template: a}}
          - wait: {then}
          - send: {{channel: email, template: mail}}
        """
    )


def attributions(programme, events, **options):
    return run(programme, events, END, kinds=("attribution",), **options)


def channels(programme, events, **options) -> list[tuple[str, str]]:
    return [(line["channel"], line["touch"]) for line in attributions(programme, events, **options)]


def status(programme, events, index: int, kind: str, at: str, **body):
    """A gateway's report of the dispatch of this index."""
    dispatch = run(programme, events, END, kinds=("dispatch",))[index]
    return event(
        "m", kind, at, dispatch_id=dispatch["dispatch_id"], channel=dispatch["channel"], source="gateway", **body
    )


def test_a_purchase_belongs_to_the_last_message_whose_period_covers_it():
    events = [registered("m", DAY_1), bought("m", "2018-01-04T10:00:00Z", total=12.5, receipt_id="r1", event_id="e1")]
    programme = two_messages()
    dispatch = run(programme, events, END, kinds=("dispatch",))[1]
    (line,) = attributions(programme, events)
    assert line.pop("attribution_id") not in {dispatch["dispatch_id"], ""}
    assert line == {
        "kind": "attribution",
        "at": "2018-01-04T10:00:00Z",
        "member_id": "m",
        "dispatch_id": dispatch["dispatch_id"],
        "campaign": "c",
        "version": 3,
        "action": "actions[2]",
        "channel": "email",
        "event": "purchase_completed",
        "event_id": "e1",
        "occurred_at": "2018-01-04T10:00:00Z",
        "purchase": "r1",
        "amount": 12.5,
        "touch": "sent",
        "touched_at": "2018-01-02T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("at", "found"),
    [
        ("2018-01-01T11:59:59.999Z", []),
        ("2018-01-01T12:00:01Z", [("sms", "sent")]),
        ("2018-01-02T12:00:00Z", [("email", "sent")]),  # its timer fires first: it was sent by then
        ("2018-01-09T11:59:59.999Z", [("email", "sent")]),
        ("2018-01-09T12:00:00Z", []),
    ],
)
def test_the_period_begins_with_the_sending_and_ends_exactly_so_much_later(at, found):
    assert channels(two_messages(), [registered("m", DAY_1), bought("m", at)]) == found


def test_a_purchase_is_not_owed_to_the_message_that_it_triggers():
    programme = directory(
        c="""
        trigger: {event: purchase_completed}
        goal: {event: purchase_completed, within: P7D}
        actions: [{send: {channel: email, template: mail}}]
        """
    )
    events = [registered("m", DAY_1), bought("m", DAY_1, total=1), bought("m", "2018-01-02T12:00:00Z", total=2)]
    assert [line["amount"] for line in attributions(programme, events)] == [2]


def test_without_a_goal_there_is_no_period():
    programme = directory(c="trigger: {event: registration_completed}\nactions: [{send: {channel: sms, template: a}}]")
    assert attributions(programme, [registered("m", DAY_1), bought("m", "2018-01-01T13:00:00Z")]) == []


def test_the_goals_event_and_condition_do_not_matter_only_its_period():
    programme = two_messages("{event: feedback_received, where: {text: x}, within: P1M}", then="PT1M")
    events = [registered("m", "2018-01-31T12:00:00Z"), bought("m", "2018-02-28T12:00:59Z")]
    assert channels(programme, events) == [("email", "sent")]
    assert channels(programme, [events[0], bought("m", "2018-02-28T12:01:00Z")]) == []


def test_the_period_is_that_of_the_version_that_sent():
    live = Live()
    campaign = (
        "trigger: {{event: registration_completed}}\nversion: {}\ngoal: {{event: site_visited, within: {}}}\n"
        "actions: [{{send: {{channel: sms, template: a}}}}]"
    )
    live.apply("2018-01-01T00:00:00Z", c=campaign.format(1, "P7D"))
    live.handle(registered("m", DAY_1))
    live.apply("2018-01-02T00:00:00Z", c=campaign.format(2, "P1D"))
    live.handle(bought("m", "2018-01-05T12:00:00Z"))
    assert [line["version"] for line in live.lines if line["kind"] == "attribution"] == [1]


# What the gateways report ---------------------------------------------------------------------------------------------


def test_clicked_goes_before_delivered_and_delivered_before_sent():
    programme, events = two_messages(then="PT1H"), [registered("m", DAY_1)]
    purchase = bought("m", "2018-01-03T12:00:00Z")
    delivered = status(programme, events, 0, "message_delivered", "2018-01-01T12:00:05Z")
    clicked = status(programme, events, 0, "message_clicked", "2018-01-01T12:30:00Z")
    later = status(programme, events, 1, "message_delivered", "2018-01-01T13:00:05Z")
    opened = status(programme, events, 0, "message_opened", "2018-01-01T14:00:05Z")
    assert channels(programme, [*events, purchase]) == [("email", "sent")]
    assert channels(programme, [*events, delivered, purchase]) == [("sms", "delivered")]
    assert channels(programme, [*events, delivered, later, purchase]) == [("email", "delivered")]
    # Opened implies delivered, by then at the latest; and it is no touch of its own.
    assert channels(programme, [*events, opened, purchase]) == [("sms", "delivered")]
    assert channels(programme, [*events, delivered, opened, later, purchase]) == [("email", "delivered")]
    assert channels(programme, [*events, clicked, later, purchase]) == [("sms", "clicked")]


def test_of_two_that_were_clicked_the_one_clicked_last():
    programme, events = two_messages(then="PT1H"), [registered("m", DAY_1)]
    clicks = [
        status(programme, events, 0, "message_clicked", "2018-01-01T14:00:00Z"),
        status(programme, events, 1, "message_clicked", "2018-01-01T15:00:00Z"),
        status(programme, events, 0, "message_clicked", "2018-01-02T14:00:00Z", link="again"),
    ]
    found = attributions(programme, [*events, *clicks, bought("m", "2018-01-03T12:00:00Z")])
    assert [(line["channel"], line["touched_at"]) for line in found] == [("sms", "2018-01-02T14:00:00Z")]
    assert channels(programme, [*events, *clicks, bought("m", "2018-01-01T16:00:00Z")]) == [("email", "clicked")]


def test_the_period_counts_from_the_delivery():
    programme, events = two_messages(then="P90D"), [registered("m", DAY_1)]
    delivered = status(programme, events, 0, "message_delivered", "2018-01-03T12:00:00Z")
    purchases = [bought("m", at) for at in ("2018-01-02T00:00:00Z", "2018-01-10T11:59:59Z", "2018-01-10T12:00:00Z")]
    assert channels(programme, [*events, delivered, *purchases]) == [("sms", "sent"), ("sms", "delivered")]


def test_the_sending_is_when_the_gateway_says_and_what_failed_was_not_sent():
    programme, events = two_messages(then="P90D"), [registered("m", DAY_1)]
    sent = status(programme, events, 0, "message_sent", "2018-01-01T15:00:00Z")
    failed = status(programme, events, 0, "message_failed", "2018-01-01T15:00:00Z")
    delivered = status(programme, events, 0, "message_delivered", "2018-01-01T14:00:00Z")
    purchase = bought("m", "2018-01-08T14:00:00Z")
    assert channels(programme, [*events, sent, purchase]) == [("sms", "sent")]
    assert channels(programme, [*events, purchase]) == []
    early = bought("m", "2018-01-02T14:00:00Z")
    assert channels(programme, [*events, failed, early]) == []
    assert channels(programme, [*events, delivered, failed, early]) == [("sms", "delivered")]


def test_a_gateway_whose_clock_is_behind_has_not_delivered_before_it_was_sent():
    programme, events = two_messages(then="P90D"), [registered("m", DAY_1)]
    early = status(programme, events, 0, "message_delivered", "2018-01-01T11:00:00Z")
    found = attributions(programme, [*events, early, bought("m", "2018-01-02T12:00:00Z")], in_order=True)
    assert [line["touched_at"] for line in found] == [DAY_1]


# Late, historical, repeated -------------------------------------------------------------------------------------------


def test_a_late_purchase_is_attributed_in_its_own_time():
    programme, events = two_messages(), [registered("m", DAY_1)]
    clicked = status(programme, events, 0, "message_clicked", "2018-01-03T12:00:00Z")
    late = bought("m", "2018-01-01T13:00:00Z")
    tick = event("m", "site_visited", "2018-01-05T12:00:00Z")
    (line,) = attributions(programme, [*events, clicked, tick, late], in_order=True)
    # By then the e-mail hadn't been sent, and nobody had clicked.
    assert (line["channel"], line["touch"], line["at"]) == ("sms", "sent", "2018-01-05T12:00:00Z")


def test_a_late_status_counts_in_its_own_time():
    programme, events = two_messages(), [registered("m", DAY_1)]
    tick = event("m", "site_visited", "2018-01-05T12:00:00Z")
    clicked = status(programme, events, 0, "message_clicked", "2018-01-01T13:00:00Z")
    purchases = [bought("m", "2018-01-01T12:30:00Z"), bought("m", "2018-01-01T13:30:00Z")]
    found = channels(programme, [*events, tick, clicked, *purchases], in_order=True)
    assert found == [("sms", "sent"), ("sms", "clicked")]


def test_a_purchase_that_comes_too_late_belongs_to_nothing():
    programme, events = two_messages(then="P90D"), [registered("m", DAY_1)]
    assert limits.LATE_PURCHASE_MS == 7 * 86_400_000
    for at, count in (("2018-01-09T13:00:00Z", 1), ("2018-01-09T13:00:01Z", 0)):
        log = [*events, event("m", "site_visited", at), bought("m", "2018-01-02T13:00:00Z")]
        assert len(attributions(programme, log, in_order=True)) == count


def test_historical_purchases_and_returns_attribute_nothing():
    events = [
        registered("m", DAY_1),
        bought("m", "2018-01-03T12:00:00Z", receipt_id="r1", historical=True),
        bought("m", "2018-01-03T13:00:00Z", receipt_id="r2", total=7),
        event("m", "purchase_returned", "2018-01-03T14:00:00Z", receipt_id="r2", total=7, historical=True),
    ]
    assert [line["amount"] for line in attributions(two_messages(), events)] == [7]


def test_a_repeated_purchase_is_attributed_once_and_ids_are_the_same_again():
    events = [registered("m", DAY_1), *[bought("m", "2018-01-03T12:00:00Z", event_id="e")] * 2]
    once, again = (attributions(two_messages(), events) for _ in range(2))
    assert once == again
    assert len(once) == 1


# Returns and cancelled orders -----------------------------------------------------------------------------------------


def amounts(*events) -> list[tuple[str | None, float]]:
    programme = two_messages()
    found = attributions(programme, [registered("m", DAY_1), *events])
    assert len({line["attribution_id"] for line in found}) == len(found)
    assert {(line["touch"], line["touched_at"]) for line in found} <= {("sent", "2018-01-02T12:00:00Z")}
    return [(line["purchase"], line["amount"]) for line in found]


def returned(at: str, total: float | None, receipt_id: str | None = "r1"):
    return event("m", "purchase_returned", at, total=total, receipt_id=receipt_id)


R1 = bought("m", "2018-01-03T12:00:00Z", total=100.1, receipt_id="r1")


def test_a_return_takes_back_its_amount_from_the_purchase_that_it_names():
    r2 = bought("m", "2018-01-04T12:00:00Z", total=5, receipt_id="r2")
    found = amounts(R1, r2, returned("2018-01-20T12:00:00Z", 30.05), returned("2018-01-21T12:00:00Z", 20))
    assert found == [("r1", 100.1), ("r2", 5), ("r1", -30.05), ("r1", -20)]


def test_no_more_is_taken_back_than_was_attributed():
    again = [returned(f"2018-01-2{day}T12:00:00Z", 60) for day in (0, 1, 2)]
    assert amounts(R1, *again) == [("r1", 100.1), ("r1", -60), ("r1", -40.1)]


@pytest.mark.parametrize(
    "correction",
    [
        returned("2018-01-05T12:00:00Z", 10, "unknown"),
        returned("2018-01-05T12:00:00Z", 10, None),
        returned("2018-01-05T12:00:00Z", None),
        returned("2018-02-02T12:00:00Z", 10),  # thirty days after the purchase
        event("m", "order_cancelled", "2018-01-05T12:00:00Z", order_id="unknown"),
        event("m", "order_cancelled", "2018-01-05T12:00:00Z"),
    ],
)
def test_what_names_no_purchase_that_is_known_corrects_nothing(correction):
    assert amounts(R1, correction) == [("r1", 100.1)]


def test_a_cancelled_order_takes_back_all_that_is_left_of_the_purchase_of_its_number():
    cancelled = [event("m", "order_cancelled", f"2018-01-0{day}T12:00:00Z", order_id="r1") for day in (6, 7)]
    assert amounts(R1, returned("2018-01-05T12:00:00Z", 30), *cancelled) == [("r1", 100.1), ("r1", -30), ("r1", -70.1)]


def test_an_order_is_no_purchase_until_its_receipt_comes():
    order = event("m", "order_placed", "2018-01-03T12:00:00Z", order_id="r1", total=100)
    assert amounts(order) == []
    assert amounts(order, R1) == [("r1", 100.1)]


def test_a_purchase_without_a_total_is_attributed_as_nothing():
    no_total = event("m", "purchase_completed", "2018-01-03T12:00:00Z", receipt_id="r1")
    assert amounts(no_total, returned("2018-01-05T12:00:00Z", 30)) == [("r1", 0)]


def test_a_number_used_again_names_the_newer_purchase():
    covered, not_covered = "2018-01-04T12:00:00Z", "2018-01-19T12:00:00Z"
    for at in (covered, not_covered):
        again = bought("m", at, total=50, receipt_id="r1")
        found = amounts(R1, again, returned("2018-01-20T12:00:00Z", 80))
        assert found == [("r1", 100.1), ("r1", 50), ("r1", -50)][: 3 if at == covered else 1]


def test_a_correction_survives_other_messages_and_restarts():
    live = Live()
    campaign = (
        "trigger: {event: feedback_received}\nentry: {while_running: parallel}\n"
        "goal: {event: site_visited, within: P1D}\nactions: [{send: {channel: email, template: mail}}]"
    )
    live.apply("2018-01-01T00:00:00Z", c=campaign)
    live.handle(registered("m", DAY_1), event("m", "feedback_received", DAY_1))
    live.handle(bought("m", "2018-01-01T13:00:00Z", total=40, receipt_id="r1"))
    for day in range(10, 31):
        live.handle(event("m", "feedback_received", f"2018-01-{day}T12:00:00Z"))
    live.handle(returned("2018-01-31T12:59:59Z", 15))
    found = [line for line in live.lines if line["kind"] == "attribution"]
    assert [line["amount"] for line in found] == [40, -15]
    assert len({line["dispatch_id"] for line in found}) == 1


def test_endless_numbers_of_receipts_are_kept_cut():
    live = Live()
    campaign = (
        "trigger: {event: feedback_received}\ngoal: {event: site_visited, within: P1D}\n"
        "actions: [{send: {channel: email, template: mail}}]"
    )
    live.apply("2018-01-01T00:00:00Z", c=campaign)
    live.handle(registered("m", DAY_1), event("m", "feedback_received", DAY_1))
    for number in range(5):
        live.handle(bought("m", "2018-01-01T13:00:00Z", total=40, receipt_id=f"{number}{'x' * 150_000}"))
    live.handle(returned("2018-01-02T00:00:00Z", 15, receipt_id=f"3{'x' * 150_000}"))
    found = [line for line in live.lines if line["kind"] == "attribution"]
    assert [(line["amount"], line["purchase"][0]) for line in found][-1] == (-15, "3")
    assert all(len(line["purchase"]) == limits.TEXT_CHARS_MAX for line in found)
    kept = [each.receipt_id for sent in decode(live.stored).sent for each in sent.purchases]
    assert {len(each) for each in kept} == {limits.TEXT_CHARS_MAX}


def test_messages_that_matter_no_more_are_forgotten():
    live = Live()
    live.apply(
        "2018-01-01T00:00:00Z",
        c="""
        trigger: {event: feedback_received}
        entry: {while_running: parallel}
        goal: {event: site_visited, within: P3D}
        actions: [{send: {channel: email, template: mail}}]
        """,
    )
    live.handle(registered("m", DAY_1))
    for day in range(10, 31):
        live.handle(event("m", "feedback_received", f"2018-01-{day}T12:00:00Z"))
    assert len(decode(live.stored).sent) == 3 + 7
