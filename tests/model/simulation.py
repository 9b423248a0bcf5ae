"""The model over a file of events, member by member; and the engine's output in the model's terms."""

from collections.abc import Iterable
from typing import Any

from streams.engine.commands import Attribution, Award, Decision, Dispatch
from streams.engine.events import Event
from tests.model.member import Member


def run_model(
    programme: dict[str, Any], events: Iterable[Event], until: int, *, in_order: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """What follows for each member."""
    taken = [event for event in events if event.occurred_at <= until]
    if not in_order:
        taken.sort(key=lambda event: event.occurred_at)
    members: dict[str, Member] = {}
    while taken:
        event = taken.pop(0)
        if not in_order:  # as if ticks came continuously, to all
            for member in members.values():
                member.fire_until(event.occurred_at)
        if event.key not in members:
            members[event.key] = Member(programme, event.key)
        if members[event.key].handle(event):
            taken[:0] = friends_purchase(members[event.key], event)
    for member in members.values():
        member.fire_until(until)
    return {key: member.output for key, member in members.items() if member.output}


def friends_purchase(member: Member, event: Event) -> list[Event]:
    """What a purchase is to the referrer: it follows the purchase directly."""
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
            body={**event.body, "friend_id": member.key},
        )
    ]


def with_statuses(
    programme: dict[str, Any], events: list[Event], statuses: list[tuple[str, int, int]], until: int
) -> list[Event]:
    """The events and what a gateway reports (type, of which dispatch, ms after it), each where its time is."""
    sent = [line for lines in run_model(programme, events, until).values() for line in lines]
    sent = [line for line in sent if line["kind"] == "dispatch"]
    owners = {
        line["dispatch_id"]: key
        for key, lines in run_model(programme, events, until).items()
        for line in lines
        if line["kind"] == "dispatch"
    }
    found = list(events)
    for index, (kind, which, delay) in enumerate(statuses if sent else []):
        line = sent[which % len(sent)]
        key, at = owners[line["dispatch_id"]], line["at"] + delay
        body = {"dispatch_id": line["dispatch_id"], "channel": line["channel"]}
        status = Event(
            event_id=f"s{index}", type=kind, occurred_at=at, source="gateway", key=key, member_id=key, body=body
        )
        place = next((i for i, event in enumerate(found) if event.occurred_at > at), len(found))
        found.insert(place, status)
    return found


def in_model_terms(output: Iterable[Any]) -> dict[str, list[dict[str, Any]]]:
    """The engine's output by member, with the fields that the model has."""
    found: dict[str, list[dict[str, Any]]] = {}
    for item in output:
        if isinstance(item, Dispatch):
            fields = ("at", "dispatch_id", "campaign", "version", "action", "channel", "to", "content")
            line: dict[str, Any] = {"kind": "dispatch"}
        elif isinstance(item, Award):
            fields = ("at", "award_id", "campaign", "amount", "currency", "expires_at")
            line = {"kind": "award"}
        elif isinstance(item, Attribution):
            continue
        else:
            assert isinstance(item, Decision)
            fields = ("at", "campaign", "action", "outcome", "reason")
            line = {"kind": "decision"}
        line.update({field: getattr(item, field) for field in fields})
        found.setdefault(item.member_id, []).append(line)
    return found
