"""Entering and leaving segments: events of the member's own, made within the handling that changed the membership.

Only segments that some campaign listens to are watched (`programme.watched_segments`). Where their conditions go by
time (`programme.turning`), one timer per member stands at the next moment when any of them may turn.
"""

from collections.abc import Callable
from datetime import MAXYEAR, time

from streams.engine import windows
from streams.engine.counting import count
from streams.engine.events import Event
from streams.engine.handling import Handling, note_time
from streams.engine.limits import SEGMENT_ROUNDS_MAX
from streams.engine.local_time import DAY_MS, local_moment, occurrence, to_datetime
from streams.engine.plans import TurnPlan
from streams.engine.state import Timer
from streams.engine.view import View, in_segment

SEGMENT_TIMER = "segment"
ENTERED, LEFT = "segment_entered", "segment_left"
SOURCE = "segments"


def note_changes(handling: Handling, react: Callable[[Handling, Event], None]) -> None:
    """Compare memberships with those last known and `react` to each change, until nothing changes any more."""
    for _ in range(SEGMENT_ROUNDS_MAX):
        changes = _changes(handling)
        if not changes:
            return
        for event in changes:
            count(handling, event)
            react(handling, event)
            note_time(handling.state, event)
    for event in _changes(handling):  # campaigns that undo each other end here
        count(handling, event)
        note_time(handling.state, event)
        view = View(handling, event.body)
        for listener in handling.plan.listeners.get(event.type, ()):
            if listener.test is None or listener.test(view):
                campaign = listener.campaign
                handling.exceed(campaign.id, campaign.version, None, "refused", "segment_rounds")


def note_silently(handling: Handling) -> None:
    """Take over memberships without events: an initial load, or a programme that has just come into force."""
    _changes(handling)


def set_segment_timer(handling: Handling) -> None:
    """Have memberships looked at again when time alone may have changed them."""
    turns = handling.plan.turns
    if not turns:
        return
    state = handling.state
    due: int | None = None
    for turn in turns:
        at = _next_turn(handling, turn)
        if at is not None and (due is None or at < due):
            due = at
    for timer in state.timers:
        if timer.kind == SEGMENT_TIMER:
            if timer.due == due:
                return
            state.timers.remove(timer)
            break
    if due is not None:  # before whatever else is due then, whenever it was set: what time has turned is a fact by then
        state.timers = [*state.timers, Timer(due, 0, SEGMENT_TIMER, "")]


def _next_turn(handling: Handling, turn: TurnPlan) -> int | None:
    """The first moment after now (ms) at which time alone makes the name one of the values; None if never."""
    state, head, rest, values = handling.state, turn.head, turn.rest, turn.values
    if head == "counter":
        counter = handling.plan.counters.get(rest)
        tally = state.tallies.get(rest)
        return None if counter is None else windows.next_turn(counter, tally, handling.now, handling.plan.zone)
    if head == "days_since":
        return _next_day_since(handling, rest, values)
    if rest == "days_since_registration":
        at = state.profile.registered_at
        return None if at is None else _next_day(at, handling.now, values)
    if rest == "age":
        return _next_birthday(handling, values)
    currency = rest.removeprefix("bonus.")
    moments = (
        at
        for accrual in state.accruals
        if accrual.currency == currency and not accrual.cancelled
        for at in (accrual.activates_at, accrual.expires_at)
    )
    return min((at for at in moments if at is not None and at > handling.now), default=None)


def _next_day(since: int, now: int, values: tuple[int, ...] | None) -> int | None:
    """When so many whole days will have passed since `since`."""
    passed = max(0, now - since) // DAY_MS
    if values is None:
        return since + (passed + 1) * DAY_MS
    for value in values:
        if value > passed:
            return since + value * DAY_MS
    return None


def _next_day_since(handling: Handling, event_type: str, values: tuple[int, ...] | None) -> int | None:
    times = handling.state.last_at.get(event_type)
    if times is None:
        return None
    latest, earlier = times
    now = handling.state.clock
    if latest < now:
        return _next_day(latest, now, values)
    # One of this very moment counts from the next on, when the value falls from that of the one before to 0.
    before = None if earlier is None else (now - earlier) // DAY_MS
    if before is None or values is None or any(0 < value <= before for value in values):
        return now + 1
    return _next_day(latest, now, values)


def _next_birthday(handling: Handling, values: tuple[int, ...] | None) -> int | None:
    born = handling.state.profile.birth_date
    if born is None:
        return None
    age = to_datetime(handling.now, handling.zone).year - born.year
    ages = (age, age + 1) if values is None else values
    days = (
        local_moment(occurrence(born, born.year + each), time(), handling.zone)
        for each in ages
        if age <= each <= MAXYEAR - born.year
    )
    return next((at for at in days if at > handling.now), None)


def _changes(handling: Handling) -> list[Event]:
    state = handling.state
    changes: list[Event] = []
    for segment_id in handling.plan.watched:
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
