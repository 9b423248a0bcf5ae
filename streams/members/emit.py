"""Commands as records: the topic of each, its key, its bytes, its time."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Codec
from streams import metrics
from streams.engine.commands import (
    Attribution,
    Award,
    Command,
    Decision,
    Dispatch,
    LimitExceeded,
    ProfileCheck,
    Webhook,
)
from streams.engine.events import Event
from streams.topics import ATTRIBUTIONS, AWARDS, DECISIONS, PROFILE_CHECKS, WEBHOOKS, dispatch_topic

RECORD_BYTES_MAX = 900_000
"""What the producer takes, less the room for key and headers. The engine's bounds stay well below it."""


class Outgoing(NamedTuple):
    """A record to produce; `at` in milliseconds since the epoch, None for the time at which it is written."""

    topic: str
    key: bytes
    value: bytes
    at: int | None


def encode_commands(codec: Codec, commands: Iterable[Command | Event]) -> list[Outgoing]:
    """Encode what the engine put out. Raises `ValueError` for a command that no schema or topic takes."""
    records = []
    encode = codec.encode
    for command in commands:
        if type(command) is Decision:  # most are
            records.append(Outgoing(DECISIONS, command.member_id.encode(), encode(command), command.at))
            continue
        if isinstance(command, LimitExceeded):
            metrics.limits_exceeded.labels(command.limit).inc()
            command = command.plain()  # noqa: PLW2901 - the limit has no place in the record
        topic, key, at = route(command)
        value = encode(command)
        if len(value) > RECORD_BYTES_MAX:
            raise ValueError(f"a record for {topic} is larger than {RECORD_BYTES_MAX} bytes")
        records.append(Outgoing(topic, key, value, at))
    return records


def route(command: Command | Event) -> tuple[str, bytes, int]:
    """Return topic, key and timestamp (milliseconds since the epoch) of a command, or of an event that re-enters.

    Raises `ValueError` for an event whose type has no source topic.
    """
    if isinstance(command, Event):
        topic = EVENT_TYPES[command.type].topic if command.type in EVENT_TYPES else None
        if topic is None:
            raise ValueError(f"an event of type {command.type} cannot re-enter: it has no source topic")
        return topic, command.key.encode(), command.occurred_at
    topic = dispatch_topic(command.channel) if isinstance(command, Dispatch) else _TOPICS[type(command)]
    return topic, command.member_id.encode(), command.at


_TOPICS: Mapping[type, str] = {
    Decision: DECISIONS,
    Award: AWARDS,
    Attribution: ATTRIBUTIONS,
    ProfileCheck: PROFILE_CHECKS,
    Webhook: WEBHOOKS,
}
