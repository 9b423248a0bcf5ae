"""The model over a file of events, member by member; and the engine's output in the model's terms."""

from collections.abc import Iterable
from typing import Any

from streams.engine.commands import Award, Decision, Dispatch
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
    for event in taken:
        if event.key not in members:
            members[event.key] = Member(programme, event.key)
        members[event.key].handle(event)
    for member in members.values():
        member.fire_until(until)
    return {key: member.output for key, member in members.items() if member.output}


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
        else:
            assert isinstance(item, Decision)
            fields = ("at", "campaign", "action", "outcome", "reason")
            line = {"kind": "decision"}
        line.update({field: getattr(item, field) for field in fields})
        found.setdefault(item.member_id, []).append(line)
    return found
