"""The model over a log, or a file of events, member by member; and the engine's output in the model's terms."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from streams.engine.commands import LimitExceeded, ProfileCheck
from streams.engine.events import Event, LogRecord, ProgrammeApplied, Tick
from tests.model.identity import Identity
from tests.model.member import Member
from tests.model.merging import absorb

NAMES = {"card_number", "visitor_id", "phone", "email"}
"""Fields of the header that say who it was; the body of an event is what comes besides."""
NOTHING: dict[str, Any] = {"policies": {}, "counters": {}, "segments": {}, "templates": {}, "campaigns": []}
"""What is in force before any programme was applied."""


class Model:
    """All members. Programme number n of the log is the n-th of `programmes`; without any such record, the first."""

    def __init__(self, programmes: list[dict[str, Any]], records: Iterable[LogRecord]) -> None:
        self.programmes = programmes
        applied = any(isinstance(record, ProgrammeApplied) for record in records)
        self.in_force = [NOTHING] if applied else programmes[:1]
        self.members: dict[str, Member] = {}
        self.tick_at: int | None = None
        self.identity = Identity(programmes[0]["policies"].get("default_region", "RU"))
        self.gone: list[dict[str, Any]] = []

    def identify(self, event: Event) -> Event:
        """As one of whose it is, once the states that are theirs are one."""
        key, merges = self.identity.whose(event)
        for name, into in merges:
            if name in self.members:
                other = self.members.pop(name)
                self.gone += absorb(self.member(into), other, event.occurred_at, historical=event.historical)
        return msgspec.structs.replace(event, key=key)

    def member(self, key: str) -> Member:
        if key not in self.members:
            self.members[key] = Member(self.in_force, key)
            self.members[key].clock = self.tick_at
        return self.members[key]

    def handle(self, event: Event) -> None:
        member = self.member(event.key)
        if member.handle(event):
            for derived in friends_purchase(member, event):
                whose = self.identify(derived)
                if whose.key != member.key:
                    self.handle(whose)

    def tick(self, tick: Tick) -> None:
        self.tick_at = max(tick.occurred_at, self.tick_at or tick.occurred_at)
        for member in self.members.values():
            member.tick(tick.occurred_at, wall=tick.wall)

    def apply(self, applied: ProgrammeApplied) -> None:
        self.in_force = self.programmes[: applied.programme]
        for member in self.members.values():
            member.adopt(self.in_force, applied.occurred_at)

    def time_passes(self, until: int) -> None:
        """As if ticks came continuously, to all."""
        for member in self.members.values():
            member.fire_until(until)

    def output(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for line in [*self.gone, *(line for member in self.members.values() for line in member.output)]:
            found.setdefault(line["member_id"], []).append(line)
        return found


def run_model(
    programmes: list[dict[str, Any]], records: Sequence[LogRecord], until: int, *, in_order: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """What follows for each member from the records up to `until`."""
    taken = [record for record in records if record.occurred_at <= until]
    if not in_order:
        taken.sort(key=lambda record: record.occurred_at)
    model = Model(programmes, records)
    for record in taken:
        if not in_order and isinstance(record, Event):
            model.time_passes(record.occurred_at - 1)
            record = model.identify(record)  # noqa: PLW2901 - as one of whose it is
            model.time_passes(record.occurred_at)
            model.handle(record)
        elif isinstance(record, Event):
            model.handle(model.identify(record))
        elif isinstance(record, Tick):
            model.tick(record)
        else:
            model.apply(record)
    model.time_passes(until)
    return model.output()


def friends_purchase(member: Member, event: Event) -> list[Event]:
    """What a purchase is to the referrer: it follows at once, without what identifies the friend."""
    referrer = member.profile.get("referrer_id")
    if event.type != "purchase_completed" or referrer is None or referrer == member.key:
        return []
    return [
        Event(
            event_id=f"friend:{event.event_id}",
            type="friend_purchase_completed",
            occurred_at=event.occurred_at,
            source=event.source,
            key=referrer,
            member_id=referrer,
            historical=event.historical,
            body={**{name: value for name, value in event.body.items() if name not in NAMES}, "friend_id": member.key},
        )
    ]


FAILURES = ("address_rejected", "invalid_address", "gateway_unavailable")


def with_statuses(
    programmes: list[dict[str, Any]],
    records: list[LogRecord],
    statuses: Sequence[tuple[str, int, int]],
    until: int,
) -> list[LogRecord]:
    """The log and what a gateway reports (type, of which dispatch, ms after it), each where its time is."""
    if not statuses:
        return records
    output = run_model(programmes, records, until, in_order=True)
    sent = [line for lines in output.values() for line in lines if line["kind"] == "dispatch"]
    found = list(records)
    for index, (kind, which, delay) in enumerate(statuses if sent else []):
        line = sent[which % len(sent)]
        key, at = line["member_id"], line["at"] + delay
        body = {"dispatch_id": line["dispatch_id"], "channel": line["channel"]}
        if kind == "message_failed" and index % 3:
            body["reason"] = FAILURES[(index + which) % len(FAILURES)]
        stranger, _, name = key.rpartition(":")  # a sender gives back by what the stranger was known
        if stranger:
            body[{"visitor": "visitor_id", "card": "card_number", "receipt": "receipt_id"}.get(stranger, stranger)] = (
                name
            )
        status = Event(
            event_id=f"s{index}",
            type=kind,
            occurred_at=at,
            source="gateway",
            key=key,
            member_id=None if stranger else key,
            body=body,
        )
        place = next((i for i, record in enumerate(found) if record.occurred_at > at), len(found))
        found.insert(place, status)
    return found


def in_model_terms(output: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """The engine's output by member, but for how good personal fields were: the model knows nothing of that."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in output:
        if isinstance(item, ProfileCheck):
            continue
        record = item.plain() if isinstance(item, LimitExceeded) else item
        line = {"kind": type(record).__name__.lower(), **msgspec.structs.asdict(record)}
        found.setdefault(item.member_id, []).append(line)
    return found
