"""Hard bounces: an address that a gateway says doesn't exist gets nothing more over that channel."""

import pytest

from tests.simulation.support import Line, Live, event, registered

SEND = "trigger: {event: site_visited}\nactions: [{send: {channel: %s, template: %s}}]"
CASCADE = """
trigger: {event: site_visited}
actions:
  - send:
      cascade:
        - {channel: email, template: mail, wait: P1D, until: delivered}
        - {channel: sms, template: a}
"""
MAILED, NONE = "dispatch Text", "suppressed no_address"


def failed(at: str, reason: str | None = "address_rejected", channel: str = "email", **body: object) -> Line:
    return event("m", "message_failed", f"2018-01-{at}", dispatch_id="d", channel=channel, reason=reason, **body)


def after(*lines: Line, channel: str = "email") -> str:
    """What becomes of a message that is sent at noon of the 20th, after these events."""
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c=SEND % (channel, "mail" if channel == "email" else "a"))
    live.handle(registered("m", "2018-01-01T00:00:00Z", email="a@example.com"), *lines)
    live.handle(event("m", "site_visited", "2018-01-20T12:00:00Z"))
    return live.happened()[0].removeprefix("2018-01-20T12:00:00Z ")


def updated(day: str, email: str, kind: str = "profile_updated") -> Line:
    return event("m", kind, f"2018-01-{day}T00:00:00Z", email=email)


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ([], MAILED),
        ([failed("02T00:00:00Z")], NONE),
        ([failed("02T00:00:00Z", "invalid_address")], NONE),
        ([failed("02T00:00:00Z", historical=True)], NONE),
        ([failed("02T00:00:00Z", "content_rejected")], MAILED),
        ([failed("02T00:00:00Z", "gateway_unavailable")], MAILED),
        ([failed("02T00:00:00Z", None)], MAILED),
        ([failed("02T00:00:00Z", channel="sms")], MAILED),
        ([failed("02T00:00:00Z", channel="no such channel")], MAILED),
        ([failed("02T00:00:00Z"), updated("03", "b@example.com")], MAILED),
        ([failed("02T00:00:00Z"), updated("03", "b@example.com"), updated("04", "a@example.com")], MAILED),
        ([failed("02T00:00:00Z"), updated("03", "a@example.com")], NONE),
        ([failed("02T00:00:00Z"), updated("03", "a@example.com", "email_bound")], MAILED),
        ([failed("02T00:00:00Z"), updated("01", "a@example.com", "email_bound")], NONE),
        ([updated("03", "b@example.com"), failed("03T23:59:59Z")], MAILED),
        ([updated("03", "b@example.com"), failed("04T00:00:00Z")], NONE),
        ([updated("05", "b@example.com"), failed("03T00:00:00Z")], MAILED),
        ([updated("03", "no address"), updated("04", "b@example.com"), failed("04T12:00:00Z")], NONE),
    ],
)
def test_what_is_dead_and_what_revives_it(lines, outcome):
    assert after(*lines) == outcome


def test_a_phone_is_dead_for_the_channel_that_said_so_alone():
    assert after(failed("02T00:00:00Z", channel="viber"), channel="viber") == NONE
    assert after(failed("02T00:00:00Z", channel="viber"), channel="sms") == "dispatch A"


def test_a_push_token_revives_with_the_next_installation():
    installed = event("m", "app_installed", "2018-01-02T00:00:00Z", push_token="t", platform="ios")
    again = event("m", "app_installed", "2018-01-04T00:00:00Z", push_token="t", platform="ios")
    assert after(installed, failed("03T00:00:00Z", channel="push"), channel="push") == NONE
    assert after(installed, failed("03T00:00:00Z", channel="push"), again, channel="push") == "dispatch A"


def test_where_there_is_no_address_none_is_dead():
    assert after(failed("02T00:00:00Z", channel="in_app"), channel="in_app") == "dispatch A"
    assert after(failed("02T00:00:00Z", channel="push"), channel="push") == NONE


def test_a_cascade_falls_to_the_next_channel_at_once_and_then_always():
    live = Live()
    live.apply("2018-01-01T00:00:00Z", c=CASCADE)
    live.handle(registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-02T12:00:00Z"))
    (first,) = live.lines
    bounce = {**failed("02T12:05:00Z"), "dispatch_id": first["dispatch_id"]}
    live.handle(bounce, event("m", "site_visited", "2018-01-04T12:00:00Z"))
    assert live.happened() == [
        "2018-01-02T12:00:00Z dispatch Text",
        "2018-01-02T12:05:00Z dispatch A",
        "2018-01-02T12:05:00Z ended completed",
        "2018-01-04T12:00:00Z suppressed no_address",
        "2018-01-04T12:00:00Z dispatch A",
        "2018-01-04T12:00:00Z ended completed",
    ]
