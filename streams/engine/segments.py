"""Entering and leaving segments: events of the member's own, made within the handling that changed the membership.

Only segments that some campaign listens to are watched (`programme.watched_segments`). Where their conditions go by
time (`programme.turning_names`), one timer per member stands at the next moment when any such name changes its value.
"""

from collections.abc import Callable
from datetime import MAXYEAR, time

from streams.engine import windows
from streams.engine.counting import count
from streams.engine.events import Event
from streams.engine.handling import Handling, in_segment, note_time
from streams.engine.local_time import DAY_MS, local_moment, occurrence, to_datetime

SEGMENT_TIMER = "segment"
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
            count(handling, event)
            react(handling, event)
            note_time(handling.state, event)


def note_silently(handling: Handling) -> None:
    """Take over memberships without events: an initial load, or a programme that has just come into force."""
    _changes(handling)


def set_segment_timer(handling: Handling) -> None:
    """Have memberships looked at again when time alone may have changed them."""
    names = handling.programme.turning_names
    state = handling.state
    due = min((at for name in names if (at := _next_turn(handling, name)) is not None), default=None)
    standing = next((timer for timer in state.timers if timer.kind == SEGMENT_TIMER), None)
    if standing is not None:
        if standing.due == due:
            return
        state.timers = [timer for timer in state.timers if timer is not standing]
    if due is not None:
        handling.set_timer(due, SEGMENT_TIMER, "")


def _next_turn(handling: Handling, name: str) -> int | None:
    """The first moment after now (ms) at which the name may have another value, if nothing happens; None if never."""
    state, now = handling.state, handling.now
    head, _, rest = name.partition(".")
    if head == "counter":
        counter = handling.programme.counters.get(rest)
        tally = state.tallies.get(rest)
        return None if counter is None else windows.next_turn(counter, tally, now, handling.programme.zone)
    if head == "days_since":
        times = [at for at in state.last_at.get(rest, ()) if at is not None]
        # An event of this very moment counts from the next on.
        return min((now + (1 if at >= now else DAY_MS - (now - at) % DAY_MS) for at in times), default=None)
    if rest == "days_since_registration":
        at = state.profile.registered_at
        return None if at is None else max(now, at) + DAY_MS - max(0, now - at) % DAY_MS
    if rest == "age":
        return _next_birthday(handling)
    currency = rest.removeprefix("bonus.")
    moments = (
        at
        for accrual in state.accruals
        if accrual.currency == currency and not accrual.cancelled
        for at in (accrual.activates_at, accrual.expires_at)
    )
    return min((at for at in moments if at is not None and at > now), default=None)


def _next_birthday(handling: Handling) -> int | None:
    born = handling.state.profile.birth_date
    if born is None:
        return None
    year = to_datetime(handling.now, handling.zone).year
    days = (local_moment(occurrence(born, each), time(), handling.zone) for each in (year, min(year + 1, MAXYEAR)))
    return next((at for at in days if at > handling.now), None)


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
