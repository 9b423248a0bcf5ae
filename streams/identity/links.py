"""The table of links: to whom a name belongs, and what is known of a member's own ids.

Both directions are kept, so that an erasure finds what it must forget without looking through all links. Whoever keeps
the table (`simulate` in memory, ingest in a store that all its tasks have a copy of) hands it to
`streams.identity.identify`, which only reads, and writes what that returns.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

NAMES_MAX = 1_000
"""Of one member. A robot that keeps no cookies is a new visitor each time: the oldest visitor's link goes first."""


class Link(NamedTuple):
    """The name belongs to `member`, who gave it last at `at` (ms).

    What came under the name before it belonged to anybody is `heir`'s, if that is another: the first who gave it.
    """

    member: str
    at: int
    heir: str | None = None


class Known(NamedTuple):
    """Of a member id: the member that it was merged into; and when it was erased (ms).

    What was given by then links nothing any more. Names that went on to others are `passed_on`: what came under them
    before they were anybody's is still this member's.
    """

    into: str | None = None
    erased_at: int | None = None
    passed_on: tuple[str, ...] = ()


NOTHING = Known()


class Links(Protocol):
    """What can be asked of the table."""

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs."""

    def known(self, member: str) -> Known | None:
        """Return what is known of the member id, None for nothing."""

    def names(self, member: str) -> Collection[str]:
        """Return the names that are linked to the member."""

    def merged(self, member: str) -> Collection[str]:
        """Return the member ids that were merged into this one, by the latest step of each."""


class Changes(NamedTuple):
    """What an event changes: a name that has no link any more is None."""

    links: Mapping[str, Link | None]
    members: Mapping[str, Known]


class LinkTable:
    """A table in memory."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}
        self._members: dict[str, Known] = {}
        self._names: dict[str, set[str]] = {}
        self._merged: dict[str, set[str]] = {}

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs."""
        return self._links.get(name)

    def known(self, member: str) -> Known | None:
        """Return what is known of the member id, None for nothing."""
        return self._members.get(member)

    def names(self, member: str) -> Collection[str]:
        """Return the names that are linked to the member."""
        return self._names.get(member, ())

    def merged(self, member: str) -> Collection[str]:
        """Return the member ids that were merged into this one, by the latest step of each."""
        return self._merged.get(member, ())

    def take(self, changes: Changes) -> None:
        """Write what an event changes."""
        for name, link in changes.links.items():
            before = self._links.get(name)
            if before is not None and (link is None or link.member != before.member):
                self._names[before.member].discard(name)
            if link is None:
                self._links.pop(name, None)
            else:
                self._links[name] = link
                self._names.setdefault(link.member, set()).add(name)
        for member, known in changes.members.items():
            before_into = self._members.get(member, NOTHING).into
            if before_into is not None:
                self._merged[before_into].discard(member)
            if known.into is not None:
                self._merged.setdefault(known.into, set()).add(member)
            self._members[member] = known


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
        if before is not None and before.member != link.member and before.heir is None:
            self._pass_on(before.member, name)
        heir = None if before is None else before.heir or before.member
        self._links[name] = link._replace(heir=None if heir is None or self.root(heir) == link.member else heir)
        if before is None or before.member != link.member:
            self._keep_few(link.member)

    def _pass_on(self, member: str, name: str) -> None:
        known = self.known(member)
        passed_on = (*(each for each in known.passed_on if each != name), name)
        self._members[member] = known._replace(passed_on=passed_on[-NAMES_MAX:])

    def merge(self, member: str, into: str) -> None:
        """Give all names of a member to another, who it is from now on."""
        for name, link in self._of(member).items():
            self._links[name] = link._replace(member=into)
        erased = [at for at in (self.known(member).erased_at, self.known(into).erased_at) if at is not None]
        passed_on = (*self.known(into).passed_on, *self.known(member).passed_on)[-NAMES_MAX:]
        self._members[into] = self.known(into)._replace(erased_at=max(erased, default=None), passed_on=passed_on)
        self._members[member] = Known(into=into)
        self._keep_few(into)

    def erase(self, member: str, at: int) -> tuple[str, ...]:
        """Forget the names of the member; what was given by `at` (ms) links nothing any more.

        Returns under which keys there is something of the person: these names, unless it is another's who had the
        name before; names that went on to others; and ids that were merged into theirs.
        """
        known = self.known(member)
        names = self._of(member)
        self._links.update(dict.fromkeys(names))
        before = at if known.erased_at is None else known.erased_at
        self._members[member] = known._replace(erased_at=max(before, at), passed_on=())
        own = [name for name, link in names.items() if link.heir is None or self.root(link.heir) == member]
        own += [name for name in dict.fromkeys(known.passed_on) if name not in own]
        ids = [*self._before.merged(member)]
        for each in ids:  # grows: who was merged into those
            ids.extend(more for more in self._before.merged(each) if more not in ids)
        return (*own, *sorted(ids))

    def changes(self) -> Changes:
        """Return what is to be written."""
        return Changes(self._links, self._members)

    def _of(self, member: str) -> dict[str, Link]:
        """Return the names of the member by now, with their links, longest ago first."""
        held = {name: self.link(name) for name in (*self._before.names(member), *self._links)}
        own = [(name, link) for name, link in held.items() if link is not None and link.member == member]
        return dict(sorted(own, key=lambda each: (each[1].at, each[0])))

    def _keep_few(self, member: str) -> None:
        held = self._of(member)
        while len(held) > NAMES_MAX:
            oldest = next((name for name in held if name.startswith("visitor:")), next(iter(held)))
            self._links[oldest] = None
            del held[oldest]


def root(links: Links, member: str, shortened: dict[str, Known] | None = None) -> str:
    """Return the member that this one was merged into, step by step, else itself.

    A merger goes from one root to another, so that the steps end. Where two tasks have merged two members into each
    other at once, the one of the smaller id stays. `shortened` takes what makes the way shorter.
    """
    way: list[tuple[str, Known]] = []
    at = member
    while True:
        known = (shortened or {}).get(at) or links.known(at)
        if known is None or known.into is None:
            break
        if any(at == passed for passed, _ in way):
            return min(passed for passed, _ in way)
        way.append((at, known))
        at = known.into
    if shortened is not None and len(way) > 1:
        for passed, known in way[:-1]:
            shortened[passed] = known._replace(into=at)
    return at
