"""The naive model's identity: every fact that was ever stated of whose a name is; whose it is is reckoned anew (§2)."""

import hashlib
import re

from streams.engine.events import Event
from streams.profile.emails import mailbox
from streams.profile.phones import identifying_phone

BINDS = {"registration_completed", "profile_updated", "phone_bound", "email_bound"}
NOBODYS = {"undefined", "null", "nil", "nan", "none", "n/a", "-", "[object object]"}
NOBODYS.add("00000000-0000-0000-0000-000000000000")
Name = tuple[str, str]


class Identity:
    """Who gave which name when, in the order of the log; and who was merged into whom."""

    def __init__(self, region: str) -> None:
        self.region = region
        self.given: list[tuple[Name, str, int]] = []
        self.merged: dict[str, str] = {}
        self.erased: dict[str, int] = {}

    def owner(self, name: Name) -> str | None:
        """Who gave it last; of two at the same time, the first in the log."""
        times = [at for each, _, at in self.given if each == name]
        return next((member for each, member, at in self.given if each == name and at == max(times)), None)

    def person(self, member: str) -> str:
        while member in self.merged:
            member = self.merged[member]
        return member

    def names(self, event: Event, fields: tuple[str, ...], *, links: bool = True) -> list[Name]:
        """Those that these fields give; a phone or an e-mail may be its hash already where that links nothing."""
        found = []
        for field in fields:
            text = (event.body.get(field) or "").strip()
            if not links and field in {"phone", "email"} and re.fullmatch("[0-9a-f]{32}", text):
                found.append((field, text))
                continue
            if field == "phone" and text:
                text = identifying_phone(text, self.region) or ""
            if field == "email" and text:
                text = mailbox(text) or ""
            if field in {"visitor_id", "card_number"} and text.lower() in NOBODYS:
                text = ""
            if field == "card_number" and set(text) == {"0"}:
                text = ""
            if text and field in {"phone", "email"}:
                text = hashlib.sha256(text.encode()).hexdigest()[:32]
            if text:
                found.append((field.removesuffix("_id").removesuffix("_number"), text))
        return found

    def whose(self, event: Event) -> tuple[str, list[tuple[str, str]]]:
        """The state that the event belongs to, and which states become part of it, or of it of which others."""
        from_id, into_id = event.body.get("from_id"), event.body.get("into_id")
        merges = []
        if event.type == "members_merged" and into_id:
            member: str | None = self.person(into_id)
            gone = self.person(from_id or into_id)
            if gone != member:
                assert member is not None
                self.merged[gone] = member
                self.given = [(name, self.person(owner), at) for name, owner, at in self.given]
                erased = [self.erased.pop(each) for each in (gone, member) if each in self.erased]
                self.erased |= {member: max(erased)} if erased else {}
                merges.append((gone, member))
        elif event.member_id:
            member = self.person(event.member_id)
        else:
            asked = self.names(event, ("visitor_id", "card_number", "phone", "email"), links=False)
            linked = [self.owner(name) for name in asked]
            member = next((each for each in linked if each is not None), None)
        if member is None:
            return self.stranger(event), []
        if event.type == "member_erased":
            self.forget(member, event.occurred_at)
            return member, []
        stated = ("visitor_id", "card_number") if event.member_id else ()
        stated += ("phone", "email") if event.type in BINDS else ()
        for name in self.names(event, stated):
            if event.occurred_at > self.erased.get(member, event.occurred_at - 1):
                if self.owner(name) is None:
                    merges.append((":".join(name), member))
                self.given.append((name, member, event.occurred_at))
        return member, merges

    def stranger(self, event: Event) -> str:
        names = self.names(event, ("visitor_id", "card_number", "phone", "email", "receipt_id"), links=False)
        return ":".join(names[0]) if names else event.key

    def forget(self, member: str, at: int) -> None:
        names = {name for name, _, _ in self.given if self.owner(name) == member}
        self.given = [each for each in self.given if each[0] not in names]
        self.erased[member] = max(at, self.erased.get(member, at))
