"""The table of links: both directions agree, it is bounded, ways of mergers are short."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.senders.statuses import status
from streams.consent.tokens import events_of, statement_of
from streams.engine.commands import Dispatch
from streams.engine.events import Event
from streams.identity.identifiers import ID_CHARS_MAX, Naming, names, own_name, pseudonym
from streams.identity.identify import Identified, identify
from streams.identity.links import NAMES_MAX, Changes, Link, LinkTable, root


def event(kind: str = "site_visited", member: str | None = "m", at: int = 0, **body: str) -> Event:
    return Event(event_id="e", type=kind, occurred_at=at, source="test", key=member or "?", member_id=member, body=body)


def take(table: LinkTable, each: Event) -> tuple[str, tuple[tuple[str, str], ...]]:
    found = identify(table, each, Naming("RU"))
    if found.changes is not None:
        table.take(found.changes)
    return found.key, found.merges


MEMBERS = ["a", "b", "c"]
ids = st.sampled_from(["1", "2", "3"])
EVENTS = st.builds(
    lambda kind, member, at, body: event(kind, member, at, **body),
    st.sampled_from(["site_visited", "profile_updated", "member_erased", "members_merged"]),
    st.sampled_from([*MEMBERS, None]),
    st.integers(0, 5),
    st.fixed_dictionaries(
        {"visitor_id": ids},
        optional={
            "card_number": ids,
            "phone": st.sampled_from(["+79001112233", "letters"]),
            "email": st.sampled_from(["a@x.org", "b@x.org"]),
            "from_id": st.sampled_from(MEMBERS),
            "into_id": st.sampled_from(MEMBERS),
        },
    ),
)
NAMES = [*(f"{kind}:{number}" for kind in ("visitor", "card") for number in "123")]
PHONE = f"phone:{pseudonym('+79001112233')}"
NAMES += [PHONE, *(f"email:{pseudonym(each)}" for each in ("a@x.org", "b@x.org"))]


@settings(max_examples=200, deadline=None)
@given(st.lists(EVENTS, max_size=12))
def test_links_and_members_agree_and_nobody_is_linked_who_was_merged_away(events: list[Event]) -> None:
    table = LinkTable()
    for each in events:
        key, merges = take(table, each)
        assert key not in [gone for gone, _ in merges]
        assert all(into == key for _, into in merges)
        linked = {name: link.member for name in NAMES if (link := table.link(name)) is not None}
        for member in MEMBERS:
            held = table.names(member)
            assert sorted(held) == sorted(name for name, owner in linked.items() if owner == member)
            assert not (held and root(table, member) != member)


@settings(max_examples=100, deadline=None)
@given(st.lists(EVENTS, max_size=8), EVENTS)
def test_an_event_that_comes_again_at_once_changes_nothing(events: list[Event], last: Event) -> None:
    table = LinkTable()
    for each in events:
        take(table, each)
    first, _ = take(table, last)
    before = repr(table.__dict__)
    again, merges = take(table, last)
    if last.type == "member_erased" and last.member_id is None:
        return  # its first name is forgotten, and by its second it may be of somebody else
    assert (again, merges) == (first, ()) or last.type == "member_erased"
    assert repr(table.__dict__) == before


def test_a_robot_without_cookies_has_no_more_names_than_may_be_and_keeps_the_card() -> None:
    table = LinkTable()
    take(table, event(card_number="c"))
    for number in range(NAMES_MAX + 5):
        take(table, event(at=number, visitor_id=str(number)))
    assert len(table.names("m")) == NAMES_MAX
    assert table.link("card:c") is not None
    assert table.link("visitor:5") is None
    assert table.link(f"visitor:{NAMES_MAX + 4}") is not None


def test_a_long_chain_of_mergers_is_shortened_on_the_way() -> None:
    table = LinkTable()
    for number in range(50):
        take(table, event("members_merged", None, from_id=f"m{number}", into_id=f"m{number + 1}"))
    assert take(table, event(member="m0", visitor_id="v"))[0] == "m50"
    known = table.known("m0")
    assert known is not None
    assert known.into == "m50"


def test_names_of_garbage() -> None:
    body = {"visitor_id": " ", "card_number": "\u0000" * 1_000_000, "phone": "9" * 1_000_000, "email": "a@" * 500_000}
    (card,) = names(body, Naming("RU"))
    assert card.startswith("card:")
    assert len(card) < ID_CHARS_MAX
    assert names({"phone": "8 (900) 111-22-33", "email": " Ann@Example.COM "}, Naming("RU")) == [
        PHONE,
        f"email:{pseudonym('ann@example.com')}",
    ]


def test_both_notations_of_a_domain_are_one_name() -> None:
    ways = ["ann@почта.рф", "Ann@ПОЧТА.рф", "ann@xn--80a1acny.xn--p1ai", "ANN@XN--80A1ACNY.xn--p1ai"]
    assert {tuple(names({"email": way}, Naming("RU"))) for way in ways} == {(f"email:{pseudonym('ann@почта.рф')}",)}


def test_with_a_secret_no_name_of_a_person_can_be_told_without_it() -> None:
    body = {"visitor_id": "v", "card_number": " 2200-15 ", "phone": "8 900 111 22 33", "email": "ann@example.com"}
    visitor, *personal = names(body, Naming("RU", b"secret"))
    assert visitor == "visitor:v"
    assert [name.partition(":~")[0] for name in personal] == ["card", "phone", "email"]
    assert {len(name.partition(":~")[2]) for name in personal} == {32}
    assert names({**body, "card_number": "2200-15", "phone": "+79001112233"}, Naming("DE", b"secret"))[1:] == personal
    assert not set(names(body, Naming("RU", b"other"))[1:]) & set(personal)
    assert own_name("phone:no", b"secret").startswith("phone:~")
    assert own_name(personal[0], b"secret") == personal[0]
    for key in ("m-1001", "visitor:v1", "receipt:r1", "card:", "phone", "", "segment:phone:1"):
        assert own_name(key, b"secret") == key


def erased(table: LinkTable, member: str, at: int = 9) -> tuple[str, ...]:
    """The keys under which there is something of a person who is erased."""
    found = identify(table, event("member_erased", member, at), Naming("RU"))
    assert found.changes is not None
    table.take(found.changes)
    return found.erased


def passed_on() -> LinkTable:
    """A card that was used before it was anybody's: it was m1's first, and is m2's now."""
    table = LinkTable()
    take(table, event(member=None, card_number="c"))
    take(table, event(member="m1", at=1, card_number="c"))
    take(table, event(member="m2", at=2, card_number="c"))
    return table


def test_what_came_under_a_name_before_it_was_anybodys_is_erased_with_whom_it_became_part_of() -> None:
    assert erased(passed_on(), "m1") == ("card:c",)
    assert erased(passed_on(), "m2") == ()
    table = passed_on()
    assert erased(table, "m1") == ("card:c",)
    assert table.link("card:c") == Link("m2", 2, "m1"), "it is the other's still"
    assert (erased(table, "m1"), erased(table, "m2")) == ((), ())
    assert table.link("card:c") is None


def test_and_so_it_is_when_the_name_comes_back_or_goes_further() -> None:
    table = passed_on()
    take(table, event(member="m1", at=3, card_number="c"))
    assert table.link("card:c") == Link("m1", 3)
    assert erased(table, "m1") == ("card:c",)
    table = passed_on()
    take(table, event(member="m3", at=3, card_number="c"))
    assert (erased(table, "m2"), erased(table, "m3"), erased(table, "m1")) == ((), (), ("card:c",))


def test_and_when_the_first_or_both_were_merged_into_others() -> None:
    table = passed_on()
    take(table, event("members_merged", "m3", 3, from_id="m1", into_id="m3"))
    assert (erased(table, "m2"), erased(table, "m3")) == ((), ("card:c", "m1"))
    table = passed_on()
    take(table, event("members_merged", "m2", 3, from_id="m1", into_id="m2"))
    assert erased(table, "m2") == ("card:c", "m1")


def test_a_name_that_somebody_has_after_an_erasure_is_theirs_from_the_beginning() -> None:
    table = LinkTable()
    take(table, event(member="m1", at=1, card_number="c"))
    erased(table, "m1", 2)
    take(table, event(member="m2", at=3, card_number="c"))
    assert erased(table, "m2") == ("card:c",)


SECRETS = [b"", b"secret"]
STRANGERS = [{"card_number": "2200-15"}, {"phone": "+79001112233"}, {"email": "ann@example.com"}]


def sent_to(key: str) -> Dispatch:
    return Dispatch(
        at=5,
        dispatch_id="d",
        member_id=key,
        campaign="c",
        version=1,
        action="actions[0]",
        channel="email",
        to="ann@example.com",
        content={"text": "Hello"},
        messaging_type="marketing",
    )


def said_of(dispatch: Dispatch) -> list[Event]:
    """What comes back of a dispatch: a delivery status, a complaint, what its link to unsubscribe makes."""
    statuses = [status(dispatch, kind, at=9) for kind in ("message_delivered", "message_complained")]
    return statuses + events_of(statement_of(dispatch, "unsubscribe", 30), 9)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("given", STRANGERS)
def test_what_comes_back_of_a_message_finds_the_stranger_and_later_the_member(
    given: dict[str, str], secret: bytes
) -> None:
    table, naming = LinkTable(), Naming("RU", secret)
    (name,) = names(given, naming)
    back = said_of(sent_to(name))
    assert [identify(table, each, naming).key for each in back] == [name] * 4
    registered = identify(table, event("registration_completed", "m", at=6, **given), naming)
    assert registered.changes is not None
    table.take(registered.changes)
    assert [identify(table, each, naming).key for each in back] == ["m"] * 4


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("given", STRANGERS)
def test_whoever_gives_a_name_in_place_of_what_it_is_made_of_takes_nothing_over(
    given: dict[str, str], secret: bytes
) -> None:
    table, naming = LinkTable(), Naming("RU", secret)
    (field,) = given
    (name,) = names(given, naming)
    registered = identify(table, event("registration_completed", "m", at=6, **given), naming)
    assert registered.changes is not None
    table.take(registered.changes)
    forged = {field: name.partition(":")[2]}
    for kind, member in (("registration_completed", "n"), ("phone_bound", "n"), ("members_merged", "n")):
        found = identify(table, event(kind, member, at=7, **forged, into_id="n"), naming)
        assert found.key == "n"
        if secret or field != "card_number":  # without a secret, a card's name is the card itself
            assert found.changes is None or name not in found.changes.links
            assert name not in [gone for gone, _ in found.merges]
    card = identify(table, event("site_visited", "o", at=7, card_number="7"), naming)
    assert card.changes is not None
    table.take(card.changes)
    bound = identify(table, event("email_bound", None, at=8, **{"card_number": "7", **forged}), naming)
    assert bound.changes is None or name not in bound.changes.links


@pytest.mark.parametrize("text", ["~" + "0" * 31, "~" + "g" * 32, "1" * 32, "~" + "A" * 32, "~" + "0" * 33])
def test_a_card_that_only_resembles_a_name_is_hashed_like_any_other(text: str) -> None:
    assert names({"card_number": text}, Naming("RU", b"secret"), looked_up=True) == [
        f"card:{pseudonym(text, b'secret')}"
    ]


@pytest.mark.parametrize("secret", [b"", b"secret"])
@pytest.mark.parametrize(("field", "kind"), [("visitor_id", "visitor"), ("card_number", "card")])
def test_a_link_of_what_is_no_name_is_forgotten_when_it_is_met(field: str, kind: str, secret: bytes) -> None:
    table, naming = LinkTable(), Naming("RU", secret)
    earlier = f"card:{pseudonym('null', secret)}" if secret and kind == "card" else f"{kind}:null"
    table.take(Changes({earlier: Link("m", 1), "visitor:v": Link("m", 1)}, {}))
    asked = event(member=None, **{field: "null"})
    asked.key = f"{kind}:null"
    found = identify(table, asked, naming)
    assert (found.key, found.merges, found.changes) == (earlier, (), Changes({earlier: None}, {}))
    table.take(found.changes)
    assert table.names("m") == {"visitor:v"}
    assert identify(table, asked, naming) == Identified(earlier)
