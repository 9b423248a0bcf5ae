"""The table of links: to whom a name belongs, and what is known of a member's own ids.

Both directions are kept, so that an erasure finds what it must forget without looking through all links. Whoever keeps
the table (`simulate` in memory, a worker in its store) hands it to `streams.identity.identify`, which only reads, and
writes what that returns.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

NAMES_MAX = 1_000
"""Of one member. A robot that keeps no cookies is a new visitor each time: the oldest visitor's link goes first."""


class Link(NamedTuple):
    """The name belongs to `member`, who gave it last at `at` (ms)."""

    member: str
    at: int


class Known(NamedTuple):
    """Of a member id: the names that are linked to it, oldest link first.

    `into`: the member that this one was merged into. `erased_at` (ms): what was given by then links nothing any more.
    """

    names: tuple[str, ...] = ()
    into: str | None = None
    erased_at: int | None = None


NOTHING = Known()


class Links(Protocol):
    """What can be asked of the table."""

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs."""

    def known(self, member: str) -> Known | None:
        """Return what is known of the member id, None for nothing."""


class Changes(NamedTuple):
    """What an event changes: a name without a link any more is None."""

    links: Mapping[str, Link | None]
    members: Mapping[str, Known]


class LinkTable:
    """A table in memory."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._members: dict[str, Known] = {}

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs."""
        return self._links.get(name)

    def known(self, member: str) -> Known | None:
        """Return what is known of the member id, None for nothing."""
        return self._members.get(member)

    def take(self, changes: Changes) -> None:
        """Write what an event changes."""
        for name, link in changes.links.items():
            if link is None:
                self._links.pop(name, None)
            else:
                self._links[name] = link
        self._members.update(changes.members)


class Draft:
    """A table with changes that aren't written yet: what comes later in the same event sees them."""

    def __init__(self, links: Links) -> None:
        self._before = links
        self._links: dict[str, Link | None] = {}
        self._members: dict[str, Known] = {}

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs by now."""
        return self._links[name] if name in self._links else self._before.link(name)

    def known(self, member: str) -> Known:
        """Return what is known of the member id by now."""
        return self._members.get(member) or self._before.known(member) or NOTHING

    def root(self, member: str) -> str:
        """Return the member that this one is by now; ways of several steps are shortened on the way."""
        return root(self._before, member, self._members)

    def put(self, name: str, link: Link) -> None:
        """Link the name, or move its link."""
        before = self.link(name)
        if before is not None and before.member != link.member:
            self._forget_name(before.member, name)
        if before is None or before.member != link.member:
            known = self.known(link.member)
            self._members[link.member] = known._replace(names=(*known.names, name))
            self._keep_few(link.member)
        self._links[name] = link

    def merge(self, member: str, into: str) -> None:
        """Give all names of a member to another, who it is from now on."""
        gone, stays = self.known(member), self.known(into)
        for name in gone.names:
            link = self.link(name)
            if link is not None:
                self._links[name] = link._replace(member=into)
        erased = [at for at in (gone.erased_at, stays.erased_at) if at is not None]
        names = (*stays.names, *(name for name in gone.names if name not in stays.names))
        self._members[into] = stays._replace(names=names, erased_at=max(erased, default=None))
        self._members[member] = Known(into=into)
        self._keep_few(into)

    def erase(self, member: str, at: int) -> None:
        """Forget the names of the member; what was given by `at` (ms) links nothing any more."""
        known = self.known(member)
        for name in known.names:
            self._links[name] = None
        before = at if known.erased_at is None else known.erased_at
        self._members[member] = Known(into=known.into, erased_at=max(before, at))

    def changes(self) -> Changes:
        """Return what is to be written."""
        return Changes(self._links, self._members)

    def _forget_name(self, member: str, name: str) -> None:
        known = self.known(member)
        self._members[member] = known._replace(names=tuple(other for other in known.names if other != name))

    def _keep_few(self, member: str) -> None:
        while len(self.known(member).names) > NAMES_MAX:
            held = self.known(member).names
            oldest = next((name for name in held if name.startswith("visitor:")), held[0])
            self._forget_name(member, oldest)
            self._links[oldest] = None


def root(links: Links, member: str, shortened: dict[str, Known] | None = None) -> str:
    """Return the member that this one was merged into, step by step, else itself; never in a circle.

    A merger goes from one root to another, so that the steps end. `shortened` takes what makes the way shorter.
    """
    way = []
    at = member
    while True:
        known = (shortened or {}).get(at) or links.known(at)
        if known is None or known.into is None:
            break
        way.append((at, known))
        at = known.into
    if shortened is not None and len(way) > 1:
        for passed, known in way[:-1]:
            shortened[passed] = known._replace(into=at)
    return at
