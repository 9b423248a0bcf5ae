"""What ingest reads at once of the table of links, before a transaction waits for it."""

from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from schemas.codec import Header
from schemas.keys import event_key
from streams.identity.identifiers import Naming, names
from streams.identity.links import Link, LinkTable
from streams.ingest.merge import Entry
from streams.ingest.owners import Owners


class Recorded(LinkTable):
    """Notes what is asked for, and what was to be read before."""

    def __init__(self) -> None:
        super().__init__()
        self.read: set[str] = set()
        self.asked: set[str] = set()

    def prefetch(self, names: Iterable[str], _members: Iterable[str]) -> None:
        self.read.update(names)

    def link(self, name: str) -> Link | None:
        self.asked.add(name)
        return super().link(name)


@pytest.mark.parametrize("secret", [b"", b"secret"])
@pytest.mark.parametrize("member", [None, "m"])
@pytest.mark.parametrize("is_name", [False, True])
def test_what_is_read_before_is_what_is_asked_for(is_name: bool, member: str | None, secret: bytes) -> None:
    (name,) = names({"card_number": "2200-15"}, Naming("RU", secret))
    body = {"card_number": name.partition(":")[2] if is_name else "2200-15", "visitor_id": "v"}
    facts = Header(
        type="message_complained",
        occurred_at=5,
        member_id=member,
        source="sender.sms",
        event_id="e",
        historical=False,
        key=event_key("message_complained", member, body) or "",
        personal=True,
        body=body,
    )
    links = Recorded()
    owners = Owners(links, knows_all=True, secret=secret)  # type: ignore[arg-type]
    owners.prefetch([Entry(5, 0, SimpleNamespace(), facts)])
    owners.identify(facts, "RU")
    assert links.asked == links.read
    assert len(links.asked) == 2
    assert (name in links.asked) is (not is_name or member is None or not secret)
