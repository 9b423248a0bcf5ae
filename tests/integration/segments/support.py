"""What the tests of segments share: what stands in the source topic, and whom it leaves in a segment."""

from collections.abc import Iterable

from streams.engine.events import Event
from streams.settings import Settings
from tests.integration.sinks.support import codec_of
from tests.stream_support import read_topic

TOPIC = "members.registrations"


def segment_events(settings: Settings) -> list[Event]:
    """The published events, each partition in its order."""
    codec = codec_of(settings)
    found: list[Event] = []
    for records in read_topic(settings, TOPIC).values():
        for event in codec.decode_log([each.value for each in records], [each.key for each in records]):
            assert isinstance(event, Event)
            found.append(event)
    return found


def inside(events: Iterable[Event]) -> set[tuple[str, str]]:
    """Who is in which segment after these events: an event that comes again changes nothing."""
    members: set[tuple[str, str]] = set()
    seen: set[tuple[str, str]] = set()
    for event in events:
        if (event.source, event.event_id) in seen:
            continue
        seen.add((event.source, event.event_id))
        change = members.add if event.type == "segment_assigned" else members.discard
        change((event.body["segment"], event.key))
    return members
