"""Whose an event is, as ingest writes it into the log: `streams.identity` over the table that all tasks share.

An event goes into the log under the key of whoever it is of, in that key's partition, whatever key and partition its
producer gave it. Where two states become one, the log says so before the event, under both keys (`StateMoved`); where a
name's link is forgotten, under the name.
"""

from collections.abc import Iterable

from schemas.codec import Header
from streams.engine.events import StateMoved
from streams.identity.identifiers import HEADER, Naming, names
from streams.identity.identify import Identified, identify
from streams.ingest.merge import Entry
from streams.ingest.shared_links import SharedLinks

KINDS = frozenset({"visitor", "card", "phone", "email"})
"""Of the names that may be linked."""


class Owners:
    """Finds out whose events are, and changes the links by them."""

    def __init__(self, links: SharedLinks, *, knows_all: bool, secret: bytes = b"") -> None:
        """`secret`: what names of people are hashed with (`streams.identity.identifiers`)."""
        self._links = links
        self._secret = secret
        self._knows_all = knows_all

    def prefetch(self, entries: Iterable[Entry]) -> None:
        """Read at once what events will ask for, as far as that is plain to see."""
        naming = Naming("", self._secret)
        wanted: list[str] = []
        members: list[str] = []
        for entry in entries:
            facts = entry.facts
            if facts is not None and entry.reason is None:
                if facts.member_id:
                    members.append(facts.member_id)
                if "visitor_id" in facts.body or "card_number" in facts.body:
                    wanted.extend(names(facts.body, naming, HEADER, looked_up=not facts.member_id))
        self._links.prefetch(wanted, members)

    def identify(self, facts: Header, region: str) -> Identified:
        """Apply the rules to an event; `region` reads phones without a country code."""
        return identify(self._links, facts, Naming(region, self._secret))

    def take(self, found: Identified, facts: Header, place: str) -> list[tuple[str, StateMoved]]:
        """Change the links by an event that stands at `place`; return what the log is to say, each under its key."""
        said = []
        if found.changes is not None:
            said = [
                (name, _forgotten(facts, place, name))
                for name, link in found.changes.links.items()
                if link is None and name not in found.erased
            ]
            links = found.changes.links
            for key in found.erased:
                into = None if key in links else found.key
                erased = StateMoved(occurred_at=facts.occurred_at, move_id=place, gone=key, into=into, erased=True)
                said.append((key, erased))
            self._links.take(found.changes)
        if not facts.member_id and found.key.partition(":")[0] in KINDS:
            self._links.set_state(found.key, has=True)
        for number, (gone, into) in enumerate(found.merges):
            if self._knows_all and facts.type != "members_merged" and not self._links.has_state(gone):
                continue
            self._links.set_state(gone, has=False)
            moved = StateMoved(
                occurred_at=facts.occurred_at,
                move_id=f"{place}/{number}",
                gone=gone,
                into=into,
                historical=facts.historical,
            )
            said += [(gone, moved), (into, moved)]
        return said


def _forgotten(facts: Header, place: str, name: str) -> StateMoved:
    return StateMoved(occurred_at=facts.occurred_at, move_id=place, gone=name, into=None)
