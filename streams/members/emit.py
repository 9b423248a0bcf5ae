"""Where each command goes: its topic, its key and its time."""

from schemas.catalogue import EVENT_TYPES
from streams.engine.commands import Award, Command, Decision, Dispatch
from streams.engine.events import Event
from streams.topics import AWARDS, DECISIONS, WEBHOOKS, dispatch_topic


def route(command: Command | Event) -> tuple[str, bytes, int]:
    """Return topic, key and timestamp (milliseconds since the epoch) of a command, or of an event that re-enters.

    Raises `ValueError` for an event whose type has no source topic.
    """
    if isinstance(command, Event):
        topic = EVENT_TYPES[command.type].topic if command.type in EVENT_TYPES else None
        if topic is None:
            raise ValueError(f"an event of type {command.type} cannot re-enter: it has no source topic")
        return topic, command.key.encode(), command.occurred_at
    key = command.member_id.encode()
    if isinstance(command, Dispatch):
        return dispatch_topic(command.channel), key, command.at
    if isinstance(command, Decision):
        return DECISIONS, key, command.at
    if isinstance(command, Award):
        return AWARDS, key, command.at
    return WEBHOOKS, key, command.at
