"""The rules: whose an event is, which links it makes or moves, and which states become one (contract §2, Identity).

1. An event with a member id is that member's: of one who was merged into another, the other's, however many steps on.
2. Its `visitor_id` and `card_number` are linked to the member. So are the `phone` and `email` of a registration, a
   change of the profile or a binding; of any other event they aren't (a receipt may name the phone of whoever paid).
3. An event without a member id goes to the member whom the first linked of its names is linked to: visitor, card,
   phone, e-mail, in this order. If none is, to the first one's own state, else to the receipt's. It links no visitor
   and no card, because nobody said who came; but a registration or binding that is a member's links what it binds.
   In place of what a name is made of it may give the name's hash, as what comes back of a message does. What is no
   name (a visitor `undefined`) has a state of its own; a link that an earlier version made of it is forgotten.
4. Where a link is made for a name that had none, the name's own state merges into the member's, before the event.
5. A link moves to the member who gave the name later, by the time of the events: a repetition or a late event of an
   earlier owner takes nothing back. The one before keeps what the profile says and all that was counted. Of two who
   gave it at the same moment, the first in the log keeps it.
6. `members_merged` gives the names and the state of `from_id` to `into_id`, who handles the event. What comes of
   `from_id` later is that member's. Both are taken as whom they are by then: a chain leads to its end, a circle changes
   nothing, and neither does a merger with oneself, with nobody or one that comes twice.
7. `member_erased` forgets all links of the member. What the member gave until then links nothing any more, if it comes
   again. That ids were merged is kept: otherwise one person would come back as two.

Links are of events as they come, historical ones too; they depend on no campaign.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from streams.identity.identifiers import CONTACTS, HEADER, Naming, names, own_name, receipt_name
from streams.identity.links import Changes, Draft, Link, Links, root

_BINDING = frozenset({"registration_completed", "profile_updated", "phone_bound", "email_bound"})


class Facts(Protocol):
    """What is asked of an event: an `Event`, or a record's header with the fields of its body that identify."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def occurred_at(self) -> int:
        """Its time, in ms."""

    @property
    def member_id(self) -> str | None:
        """The member it is of, by its own word."""

    @property
    def key(self) -> str:
        """Whose it is, by its own word: the member, else the stranger."""

    @property
    def body(self) -> Mapping[str, Any]:
        """At least what identifies."""


class Identified(NamedTuple):
    """Whose the event is: the key of a state.

    `merges` are the states that become part of it before that, in order: (the one that goes, the one that stays).
    `changes` are to be written to the table; None if there are none. `erased`: keys, besides, under which there is
    something of a person who was erased by this event.
    """

    key: str
    merges: tuple[tuple[str, str], ...] = ()
    changes: Changes | None = None
    erased: tuple[str, ...] = ()


def identify(links: Links, event: Facts, naming: Naming) -> Identified:
    """Apply the rules to an event; `naming` says how names are made of what it gives."""
    if event.type == "members_merged" and event.body.get("into_id"):
        return _merged(links, event, naming)
    if not event.member_id:
        return _of_nobody(links, event, naming)
    if event.type == "member_erased":
        return _erased(links, event.member_id, event.occurred_at)
    given = _given(event, naming)
    if not given:
        return Identified(root(links, event.member_id))
    draft = Draft(links)
    return _link(draft, draft.root(event.member_id), given, event.occurred_at)


def _given(event: Facts, naming: Naming) -> list[str]:
    body = event.body
    given = names(body, naming, HEADER) if "visitor_id" in body or "card_number" in body else []
    return [*given, *names(body, naming, CONTACTS)] if event.type in _BINDING else given


def _of_nobody(links: Links, event: Facts, naming: Naming) -> Identified:
    known = names(event.body, naming, looked_up=True)
    for name in known:
        link = links.link(name)
        if link is not None and event.type == "member_erased":
            return _erased(links, link.member, event.occurred_at)
        if link is not None:
            bound = names(event.body, naming, CONTACTS) if event.type in _BINDING else []
            draft = Draft(links)
            return _link(draft, draft.root(link.member), bound, event.occurred_at)
    first = known[0] if known else receipt_name(event.body)
    if first is not None:
        return Identified(first)
    key = own_name(event.key, naming.secret)  # which is no name; an earlier version may have taken it for one
    return Identified(key, (), None if links.link(key) is None else Changes({key: None}, {}))


def _erased(links: Links, member: str, at: int) -> Identified:
    draft = Draft(links)
    member = draft.root(member)
    erased = draft.erase(member, at)
    return Identified(member, (), draft.changes(), erased)


def _merged(links: Links, event: Facts, naming: Naming) -> Identified:
    from_id, into_id = event.body.get("from_id"), event.body["into_id"]
    draft = Draft(links)
    into = draft.root(into_id)
    gone = draft.root(from_id) if from_id else into
    merges: tuple[tuple[str, str], ...] = ()
    if gone != into:
        draft.merge(gone, into)
        merges = ((gone, into),)
    found = _link(draft, into, _given(event, naming) if event.member_id else [], event.occurred_at)
    return found._replace(merges=(*merges, *found.merges))


def _link(draft: Draft, member: str, given: list[str], at: int) -> Identified:
    erased_at = draft.known(member).erased_at
    merges = []
    for name in given if erased_at is None or at > erased_at else ():
        link = draft.link(name)
        if link is None:
            merges.append((name, member))
        elif at <= link.at:
            continue
        draft.put(name, Link(member, at))
    return Identified(member, tuple(merges), draft.changes())
