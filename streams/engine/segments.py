"""Entering and leaving segments: events of the member's own, made within the handling that changed the membership.

Only segments that some campaign listens to are watched (`programme.watched_segments`).
"""

from collections.abc import Callable

from streams.engine.events import Event
from streams.engine.handling import Handling, in_segment

ENTERED, LEFT = "segment_entered", "segment_left"
SOURCE = "segments"
_ROUNDS_MAX = 10


def note_changes(handling: Handling, react: Callable[[Handling, Event], None]) -> None:
    """Compare memberships with those last known and `react` to each change, until nothing changes any more."""
    for _ in range(_ROUNDS_MAX):
        changes = _changes(handling)
        if not changes:
            return
        for event in changes:
            react(handling, event)


def note_silently(handling: Handling) -> None:
    """Take over memberships without events: an initial load, or a programme that has just come into force."""
    _changes(handling)


def _changes(handling: Handling) -> list[Event]:
    state, changes = handling.state, []
    for segment_id in handling.programme.watched_segments:
        inside = in_segment(handling, segment_id)
        if inside == (segment_id in state.inside):
            continue
        kind = ENTERED if inside else LEFT
        state.inside = (
            [*state.inside, segment_id] if inside else [other for other in state.inside if other != segment_id]
        )
        changes.append(
            Event(
                event_id=f"{kind}:{segment_id}",
                type=kind,
                occurred_at=handling.now,
                source=SOURCE,
                key=state.key,
                member_id=state.key,
                body={"segment": segment_id},
            )
        )
    return changes
