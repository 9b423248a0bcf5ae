"""Double opt-in: a yes to such a type counts once it is confirmed; a no counts at once."""

import pytest

from streams.consent.tokens import Statement, events_of
from tests.simulation.support import directory, event, happened, registered, run

END = "2018-02-01T00:00:00Z"
POLICIES = {"policies.yaml": "messaging_types: {news: {consent: double_opt_in, quiet_hours: exempt}}\n"}
SITE = "trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a, messaging_type: news}}]"
SENT, KEPT = "dispatch A", "suppressed unsubscribed"


def changed(day, **body):
    return event("m", "subscription_changed", f"2018-01-0{day}T00:00:00Z", **body)


@pytest.mark.parametrize(
    ("statements", "outcome"),
    [
        ([], KEPT),
        ([changed(2, messaging_type="news", subscribed=True)], KEPT),
        ([changed(2, subscribed=True)], KEPT),
        ([changed(2, subscribed=True, source="consent.link")], KEPT),
        ([changed(2, messaging_type="news", subscribed=True, source="consent.link")], SENT),
        ([changed(2, messaging_type="news", channel="sms", subscribed=True, source="consent.link")], SENT),
        ([changed(2, messaging_type="news", channel="email", subscribed=True, source="consent.link")], KEPT),
        (
            [
                changed(2, messaging_type="news", subscribed=True, source="consent.link"),
                changed(3, messaging_type="news", subscribed=False),
            ],
            KEPT,
        ),
        (
            [
                changed(2, messaging_type="news", subscribed=True, source="consent.link"),
                changed(3, messaging_type="news", subscribed=True),
                changed(4, channel="sms", subscribed=True),
            ],
            SENT,
        ),
        (
            [
                changed(2, messaging_type="news", subscribed=True, source="consent.link"),
                event("m", "message_complained", "2018-01-03T00:00:00Z", dispatch_id="d", channel="sms"),
            ],
            KEPT,
        ),
    ],
)
def test_a_yes_has_to_be_confirmed(statements, outcome):
    programme = directory(
        POLICIES,
        c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a, messaging_type: news}}]",
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), *statements, event("m", "site_visited", "2018-01-09T12:00:00Z")]
    assert happened(programme, events, END)[0] == f"2018-01-09T12:00:00Z {outcome}"


def test_the_unsubscribe_link_ends_a_type_that_was_confirmed():
    programme = directory(
        POLICIES,
        c="trigger: {event: site_visited}\nactions: [{send: {channel: sms, template: a, messaging_type: news}}]",
    )
    confirm, stop = (Statement(purpose, "m", "d", "sms", "news", 0) for purpose in ("confirm", "unsubscribe"))
    said = [
        event("m", made.type, f"2018-01-0{day}T00:00:00Z", source=made.source, event_id=made.event_id, **made.body)
        for day, statement in ((2, confirm), (3, stop))
        for made in events_of(statement, day)
    ]
    events = [registered("m", "2018-01-01T00:00:00Z"), *said, event("m", "site_visited", "2018-01-09T12:00:00Z")]
    assert happened(programme, events, END)[0] == f"2018-01-09T12:00:00Z {KEPT}"


def test_an_unconfirmed_yes_can_ask_for_its_confirmation():
    programme = directory(
        POLICIES,
        c="""
        trigger: {event: subscription_changed, where: {subscribed: true, messaging_type: news}}
        actions: [{send: {channel: sms, template: b, messaging_type: service}}]
        """,
    )
    events = [registered("m", "2018-01-01T00:00:00Z"), changed(2, messaging_type="news", subscribed=True)]
    assert happened(programme, events, END)[0] == "2018-01-02T00:00:00Z dispatch B"
    confirmed = changed(3, messaging_type="news", subscribed=True, source="consent.link")
    assert len(happened(programme, [*events, confirmed], END)) == 4  # a campaign may leave it out by its entry rules


def said(minute, **body):
    at = f"2018-01-02T{minute // 60:02}:{minute % 60:02}:00Z"
    return event("m", "subscription_changed", at, **body)


def asked(*statements):
    """What becomes of a message that is sent unless there is a no."""
    programme = directory({"policies.yaml": "messaging_types: {news: {quiet_hours: exempt}}\n"}, c=SITE)
    start, visit = registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-06T00:00:00Z")
    return happened(programme, [start, *statements, visit], END)[0].split(" ", 1)[1]


NO = {"messaging_type": "news", "channel": "sms", "subscribed": False}


@pytest.mark.parametrize(
    "more",
    [
        [said(number, messaging_type=f"t{number}", subscribed=True) for number in range(1, 301)],
        [said(number, messaging_type=f"t{number}", subscribed=number % 2 == 0) for number in range(1, 301)],
    ],
    ids=["yes", "yes and no"],
)
def test_a_no_never_gives_way_to_a_yes_when_too_much_is_said(more):
    assert asked(said(0, **NO), *more) == KEPT


def test_of_too_many_nos_those_go_first_that_a_wider_one_covers():
    covered = [said(number, messaging_type=f"t{number}", channel="email", subscribed=False) for number in range(2, 150)]
    wider = said(150, channel="email", subscribed=False)
    more = [said(number, messaging_type=f"t{number}", channel="push", subscribed=False) for number in range(151, 300)]
    assert asked(said(1, **NO), *covered, wider, *more) == KEPT


def against(kind, channel):
    body = {"subscribed": False} if kind == "subscription_changed" else {}
    return event("m", kind, "2018-01-02T00:00:00Z", channel=channel, **body)


@pytest.mark.parametrize("channel", ["SMS", " sms ", "Sms\t"])
@pytest.mark.parametrize("kind", ["subscription_changed", "member_unsubscribed"])
def test_a_channel_is_known_however_it_is_written(channel, kind):
    assert asked(against(kind, channel)) == KEPT
    assert run(directory(POLICIES, c=SITE), [against(kind, channel)], END, kinds=("profile_check",)) == []


@pytest.mark.parametrize("channel", ["e-mail", "", "phone"])
@pytest.mark.parametrize("kind", ["subscription_changed", "member_unsubscribed", "message_complained"])
def test_what_is_no_channel_states_nothing_and_is_reported(channel, kind):
    assert asked(against(kind, channel)) == SENT
    (told,) = run(directory(POLICIES, c=SITE), [against(kind, channel)], END, kinds=("profile_check",))
    assert (told["event"], told["findings"]) == (
        kind,
        [{"field": "channel", "outcome": "rejected", "rule": "unknown_channel"}],
    )


@pytest.mark.parametrize("named", ["News", " news", "NEWS\t"])
def test_a_messaging_type_is_known_however_it_is_written(named):
    assert asked(said(0, messaging_type=named, subscribed=False)) == KEPT
    no = said(0, messaging_type=named, subscribed=False)
    assert run(directory(POLICIES, c=SITE), [no], END, kinds=("profile_check",)) == []


def test_a_yes_has_to_be_confirmed_however_its_type_is_written():
    yes = event("m", "subscription_changed", "2018-01-02T00:00:00Z", messaging_type="News", subscribed=True)
    start, visit = registered("m", "2018-01-01T00:00:00Z"), event("m", "site_visited", "2018-01-06T00:00:00Z")
    programme = directory(POLICIES, c=SITE)
    assert happened(programme, [start, yes, visit], END)[0].split(" ", 1)[1] == KEPT
    confirmed = {**yes, "source": "consent.link", "event_id": "confirmed"}
    assert happened(programme, [start, yes, confirmed, visit], END)[0].split(" ", 1)[1] == SENT


@pytest.mark.parametrize("named", ["newsletter", ""])
def test_a_messaging_type_that_the_programme_does_not_have_is_reported(named):
    no = said(0, messaging_type=named, subscribed=False)
    (told,) = run(directory(POLICIES, c=SITE), [no], END, kinds=("profile_check",))
    assert told["findings"] == [{"field": "messaging_type", "outcome": "doubtful", "rule": "unknown_type"}]
