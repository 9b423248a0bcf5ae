"""Delivery statuses: their ids follow from the dispatch, and they find the member's state again."""

import pytest

from sinks.senders.mask import mask
from sinks.senders.statuses import FAILED, SENT, status
from streams.engine.commands import Dispatch
from streams.engine.events import stranger_key


def dispatch(member_id="m1"):
    return Dispatch(
        at=5,
        dispatch_id="d1",
        member_id=member_id,
        campaign="c",
        version=1,
        action="actions[0]",
        channel="sms",
        to="+79161234567",
        content={"text": "Hi"},
        messaging_type="marketing",
    )


def test_the_same_dispatch_and_type_give_the_same_id():
    assert status(dispatch(), SENT, at=1).event_id == status(dispatch(), SENT, at=2).event_id
    assert status(dispatch(), SENT, at=1).event_id != status(dispatch(), FAILED, at=1).event_id


def test_says_who_what_and_why():
    event = status(dispatch(), FAILED, at=9, reason="too_late")
    assert (event.key, event.member_id, event.occurred_at, event.source) == ("m1", "m1", 9, "sender.sms")
    assert event.body == {"dispatch_id": "d1", "channel": "sms", "reason": "too_late"}


@pytest.mark.parametrize("key", ["phone:+7900", "email:a@example.com", "visitor:v1", "card:77"])
def test_a_status_of_a_stranger_finds_the_stranger_again(key):
    event = status(dispatch(key), SENT, at=9)
    assert (event.key, event.member_id, stranger_key(event.body)) == (key, None, key)


@pytest.mark.parametrize(
    ("address", "masked"),
    [("+79161234567", "+7***67"), ("anna@example.com", "a***@example.com"), ("12", "***"), ("", "***")],
)
def test_logs_show_no_addresses(address, masked):
    assert mask(address) == masked
