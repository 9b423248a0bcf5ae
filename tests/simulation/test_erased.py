"""After an erasure (docs/erasure.md): what comes late brings nobody back, and neither does what others say of them."""

import pytest

from tests.simulation.support import directory, event, registered, run

START, END = "2018-01-01T00:00:00Z", "2019-01-01T00:00:00Z"
ANNA = registered("m", "2018-01-01T12:00:00Z", first_name="Anna")
ERASED = event("m", "member_erased", "2018-02-01T12:00:00Z")
LATER = "2018-02-01T12:00:05Z"
PROGRAMME = {
    "mailing": """
        trigger: {schedule: {at: "2018-06-01T12:00"}}
        actions: [{send: {channel: in_app, template: told}}]
    """,
    "promo": """
        trigger: {schedule: {at: "2018-06-01T12:00"}}
        audience: {segment: vip}
        actions: [{send: {channel: in_app, template: told}}]
    """,
}
TEMPLATES = """
    templates: [{id: told, text: "{{ member.first_name | default: 'nobody' }}", title: T}]
"""
LISTS = "id: vip\n"


def told(*later, ends: str = END) -> list[tuple[str, str]]:
    """Whom the mailings of June reach, by campaign, and by which name they call them."""
    programme = directory({"templates/told.yaml": TEMPLATES, "segments/vip.yaml": LISTS}, **PROGRAMME)
    lines = run(programme, [ANNA, ERASED, *later], ends, start=START, in_order=True)
    return [(line["campaign"], line["content"]["text"]) for line in lines]


@pytest.mark.parametrize(
    "late",
    [
        event("m", "profile_updated", "2018-02-01T11:59:00Z", first_name="Anna", phone="+79161234567"),
        event("m", "profile_updated", "2018-02-01T12:00:00Z", first_name="Anna"),
        event("m", "purchase_completed", "2018-01-31T11:59:00Z", total=5),
        event("m", "subscription_changed", "2018-01-31T11:59:00Z", subscribed=True),
        event("m", "profile_updated", "2018-01-01T11:59:00Z", historical=True, first_name="Anna"),
    ],
)
def test_what_was_before_the_erasure_does_not_come_back_by_coming_late(late):
    assert told(late) == []
    back = event("m", "site_visited", "2018-03-01T12:00:00Z")
    assert told(late, back) == told(back, late) == [("mailing", "nobody")]


@pytest.mark.parametrize(
    "said",
    [
        event("m", "message_delivered", LATER, dispatch_id="d", channel="sms"),
        event("m", "message_clicked", LATER, dispatch_id="d", channel="sms"),
        event("m", "message_failed", LATER, dispatch_id="d", channel="sms", reason="address_rejected"),
        event("m", "member_unsubscribed", LATER, dispatch_id="d", channel="sms"),
        event("m", "subscription_changed", LATER, subscribed=False),
        event("m", "bonus_expired", LATER, accrual_id="a"),
        event("m", "purchase_returned", LATER, total=5),
        event("m", "status_calculated", LATER, status="gold"),
        event("m", "segment_assigned", LATER, segment="vip"),
    ],
)
def test_what_others_say_of_who_was_erased_makes_nobody_known(said):
    assert told(said) == []


def test_a_friends_purchase_tells_nobody_who_was_erased():
    friend = registered("friend", "2018-01-02T12:00:00Z", referrer_id="m", first_name="Fay")
    bought = event("friend", "purchase_completed", "2018-03-01T12:00:00Z", total=5)
    assert told(friend, bought) == [("mailing", "Fay")]


def test_who_comes_back_begins_anew_and_what_was_said_meanwhile_holds():
    back = registered("m", "2018-03-01T12:00:00Z", first_name="Ann")
    assert told(back) == [("mailing", "Ann")]
    assert told(event("m", "segment_assigned", LATER, segment="vip"), back) == [("mailing", "Ann"), ("promo", "Ann")]
    assert told(event("m", "subscription_changed", LATER, subscribed=False), back) == []
    assert told(event("m", "member_unsubscribed", LATER, dispatch_id="d", channel="in_app"), back) == []
    assert told(event("m", "subscription_changed", LATER, subscribed=True)) == [("mailing", "nobody")]


def test_the_later_of_two_erasures_counts_whichever_came_first():
    first = event("m", "member_erased", "2018-01-15T12:00:00Z")
    late = event("m", "profile_updated", "2018-01-20T12:00:00Z", first_name="Anna")
    assert told(first, late) == []


def test_a_member_into_whom_an_erased_one_is_merged_keeps_what_comes_late():
    other = registered("n", "2018-01-02T12:00:00Z")
    merged = event("n", "members_merged", "2018-02-02T12:00:00Z", from_id="m", into_id="n")
    late = event("n", "profile_updated", "2018-01-20T12:00:00Z", first_name="Nora")
    assert told(other, merged, late) == [("mailing", "Nora")]
