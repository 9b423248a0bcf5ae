"""Tokens and links: what one says, that nobody else can make one, and where templates get them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.consent.links import Links, LinksNotSetUpError
from streams.consent.tokens import Signer, Statement, TokenError, events_of, statement_of
from streams.engine.commands import Dispatch
from streams.errors import RekindleError
from streams.settings import Settings

SECRET = "0123456789abcdef-secret"
SIGNER = Signer([SECRET])
DAY_MS = 86_400_000
SETTINGS = Settings(links_url="https://l.example.com/", links_secret=SECRET, links_days=30)


def dispatch(**changes):
    made = Dispatch(
        at=1_500_000_000_000,
        dispatch_id="d1",
        member_id="m1",
        campaign="c",
        version=1,
        action="actions[0]",
        channel="email",
        to="ann@example.com",
        content={"text": "Hello"},
        messaging_type="marketing",
    )
    return msgspec.structs.replace(made, **changes)


STATEMENT = statement_of(dispatch(), "unsubscribe", 30)


def test_a_token_says_what_was_signed_until_it_expires():
    token = SIGNER.sign(STATEMENT)
    assert SIGNER.read(token, STATEMENT.expires_at) == STATEMENT
    assert STATEMENT.expires_at == 1_500_000_000_000 + 30 * DAY_MS
    with pytest.raises(TokenError, match="expired") as raised:
        SIGNER.read(token, STATEMENT.expires_at + 1)
    assert raised.value.expired


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda data: data.hex() + "." + data.hex()))
def test_any_other_text_is_refused(text):
    with pytest.raises(TokenError):
        SIGNER.read(text, 0)


@given(st.integers(0, 10_000), st.characters())
def test_a_token_that_was_changed_is_refused_or_says_the_same(place, character):
    token = SIGNER.sign(STATEMENT)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    try:
        assert SIGNER.read(changed, 0) == STATEMENT  # the last letter of base64 has bits that mean nothing
        assert place == len(token) - 1 or changed == token
    except TokenError:
        assert changed != token


def test_another_secret_signs_from_now_on_and_the_old_one_is_still_accepted():
    old, new = SIGNER.sign(STATEMENT), Signer(["another-secret-of-ours", SECRET])
    assert new.read(old, 0) == STATEMENT
    with pytest.raises(TokenError):
        SIGNER.read(new.sign(STATEMENT), 0)


def test_a_signer_shows_no_secret():
    assert SECRET not in repr(SIGNER)


@pytest.mark.parametrize("secrets", [[], ["short"], [SECRET, "short"]])
def test_a_secret_that_can_be_guessed_is_refused(secrets):
    with pytest.raises(RekindleError, match="LINKS_SECRET"):
        Signer(secrets)


def test_the_events_that_statements_make():
    unsubscribed, of_type = events_of(STATEMENT, 1_500_000_090_000)
    assert (unsubscribed.type, unsubscribed.source, unsubscribed.member_id) == (
        "member_unsubscribed",
        "consent.link",
        "m1",
    )
    assert unsubscribed.body == {"channel": "email", "dispatch_id": "d1"}
    assert (of_type.type, of_type.source, of_type.key) == ("subscription_changed", "consent.link", "m1")
    assert of_type.body == {"channel": "email", "messaging_type": "marketing", "subscribed": False}
    assert of_type.event_id != unsubscribed.event_id
    ids = [event.event_id for event in (unsubscribed, of_type)]
    assert [event.event_id for event in events_of(STATEMENT, 1_500_000_100_000)] == ids  # a double click
    assert not {event.event_id for event in events_of(STATEMENT, 1_500_000_190_000)} & set(ids)
    (confirmed,) = events_of(Statement("confirm", "email:ann@example.com", "d1", "email", "news", 0), 5)
    assert (confirmed.type, confirmed.key, confirmed.member_id) == (
        "subscription_changed",
        "email:ann@example.com",
        None,
    )
    assert confirmed.body == {
        "email": "ann@example.com",
        "channel": "email",
        "messaging_type": "news",
        "subscribed": True,
    }


def test_marks_in_a_message_become_links():
    links = Links(SETTINGS)
    content = {"text": "No: %unsubscribe_url%", "button": {"text": "Yes", "url": "%confirm_url:news%"}, "image": None}
    filled = links.fill(dispatch(content=content)).content
    unsubscribe = filled["text"].removeprefix("No: https://l.example.com/u/")
    assert SIGNER.read(unsubscribe, 0).purpose == "unsubscribe"
    confirm = SIGNER.read(filled["button"]["url"].removeprefix("https://l.example.com/c/"), 0)
    assert (confirm.purpose, confirm.messaging_type) == ("confirm", "news")
    plain = dispatch()
    assert links.fill(plain) is plain


def test_a_type_with_blanks_is_marked_too():
    filled = Links(SETTINGS).fill(dispatch(content={"text": "%confirm_url:my news%"})).content["text"]
    assert SIGNER.read(filled.removeprefix("https://l.example.com/c/"), 0).messaging_type == "my news"


def test_a_message_that_marks_a_link_is_not_sent_without_one():
    links = Links(Settings())
    assert links.fill(dispatch()).content == {"text": "Hello"}
    assert links.unsubscribe(dispatch()) is None
    with pytest.raises(LinksNotSetUpError):
        links.fill(dispatch(content={"text": "%unsubscribe_url%"}))


def test_service_messages_have_no_unsubscribe_header():
    assert Links(SETTINGS).unsubscribe(dispatch(messaging_type="service")) is None
    assert Links(SETTINGS).unsubscribe(dispatch()).startswith("https://l.example.com/u/")


def test_an_address_that_is_none_is_told():
    with pytest.raises(RekindleError, match="LINKS_URL"):
        Links(Settings(links_url="l.example.com", links_secret=SECRET))
