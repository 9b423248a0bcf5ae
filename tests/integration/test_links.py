"""From a link in a message to what the member said, in Kafka: `rekindle links` as a process."""

import re
import urllib.request

import pytest

from infra.local import ports
from streams.consent.links import Links
from streams.engine.commands import Dispatch
from streams.settings import Settings
from tests.integration.sinks.support import codec_of, read_all

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]

SECRET = "0123456789abcdef-secret"


def test_a_click_is_an_event_once_it_is_answered(settings, process):
    codec = codec_of(settings)
    (port,) = ports.choose(1)
    site = process("links", env={"REKINDLE_LINKS_SECRET": SECRET, "REKINDLE_LINKS_PORT": str(port)})
    site.until(lambda: "links on http" in site.output, 60, "the server")
    links = Links(Settings(links_url=f"http://127.0.0.1:{port}", links_secret=SECRET, links_days=36_500))
    message = Dispatch(
        at=1_500_000_000_000,
        dispatch_id="d1",
        member_id="m1",
        campaign="c",
        version=1,
        action="actions[0]",
        channel="email",
        to="ann@example.com",
        content={"text": "%unsubscribe_url% %confirm_url:news%"},
        messaging_type="service",
    )
    for address in re.findall(r"http\S+", links.fill(message).content["text"]):
        with urllib.request.urlopen(address, data=b"List-Unsubscribe=One-Click", timeout=30) as answer:
            assert answer.status == 200
    found = []
    for topic in ("delivery.statuses", "members.registrations"):
        for _, _, key, value in read_all(settings, topic):
            found += codec.decode_log([value], [key])
    assert [(event.type, event.key, event.source) for event in found] == [
        ("member_unsubscribed", "m1", "consent.link"),
        ("subscription_changed", "m1", "consent.link"),
        ("subscription_changed", "m1", "consent.link"),
    ]
    assert found[1].body == {"channel": "email", "messaging_type": "service", "subscribed": False}
    assert found[2].body == {"channel": "email", "messaging_type": "news", "subscribed": True}
    assert site.terminate() == 0
