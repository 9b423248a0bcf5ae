"""What a sender does with the links that a template marks."""

from sinks.senders.gateway import Gateway
from sinks.senders.hand_over import Claim, HandOver
from streams.consent.links import Links
from streams.engine.commands import Dispatch
from streams.settings import Settings

SETTINGS = Settings(links_url="https://l.example.com", links_secret="0123456789abcdef-secret")


class Kept(Gateway):
    """Takes everything and keeps it."""

    def __init__(self):
        self.taken = []

    @classmethod
    def create(cls, settings, channel):
        return cls()

    async def hand_over(self, dispatch):
        self.taken.append(dispatch)
        return ()


def handed(settings, text):
    gateway = Kept()
    dispatch = Dispatch(
        at=1_500_000_000_000,
        dispatch_id="d1",
        member_id="m1",
        campaign="c",
        version=1,
        action="actions[0]",
        channel="sms",
        to="+79123456789",
        content={"text": text},
        messaging_type="marketing",
    )
    hand_over = HandOver(gateway, lambda _: 5, concurrency=1, repeat_in_doubt=False, links=Links(settings))
    try:
        hand_over.start([Claim(0, 0, dispatch)])
        (outcome,) = hand_over.outcomes(timeout_s=10)
    finally:
        hand_over.close()
    return outcome.statuses, [each.content["text"] for each in gateway.taken]


def test_the_gateway_gets_the_link_that_the_template_marks():
    statuses, (text,) = handed(SETTINGS, "Stop: %unsubscribe_url%")
    assert statuses == (("message_sent", None),)
    assert text.startswith("Stop: https://l.example.com/u/")


def test_without_links_such_a_message_fails_and_any_other_goes():
    assert handed(Settings(), "Stop: %unsubscribe_url%") == ((("message_failed", "links_not_set_up"),), [])
    assert handed(Settings(), "100% yours") == ((("message_sent", None),), ["100% yours"])
