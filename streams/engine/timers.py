"""Timers: fired in order of due, then in the order in which they were set (contract §4.2).

A journey whose campaign is paused, or comes with a later programme, keeps its timer parked until the campaign is live.
A tick of the clock more than five minutes after a timer was due makes it happen at the tick.
"""

from collections.abc import Callable, Mapping
from datetime import date

from streams.engine.bonus import BONUS_TIMER, notice_amount
from streams.engine.calendar_timers import (
    DATE_TIMER,
    SCHEDULE_TIMER,
    mailing_zone,
    next_mailing,
    note_date,
    set_date_timers,
)
from streams.engine.carry_over import is_ahead
from streams.engine.cart import CART_TIMER, cart_body
from streams.engine.handling import Handling
from streams.engine.journeys import enter, leave, proceed, script_of
from streams.engine.limits import MAILED_KEPT_MAX, NOTICED_KEPT_MAX, OUTAGE_MS, TIMERS_FIRED_PER_HANDLING_MAX
from streams.engine.local_time import to_datetime
from streams.engine.pending import message_at, resume
from streams.engine.reacting import made_by_timer, react
from streams.engine.segments import SEGMENT_TIMER, note_changes, set_segment_timer
from streams.engine.sending import MESSAGE_TIMER
from streams.engine.state import Journey, Timer
from streams.engine.waiting import WAIT_TIMER


def fire_due(handling: Handling, until: int, *, tick_at: int | None = None) -> None:
    """Fire every timer due by `until` (ms), also those set meanwhile; `tick_at` (ms): a tick of the clock did it."""
    state = handling.state
    for _ in range(TIMERS_FIRED_PER_HANDLING_MAX):
        timer = _first_due(state.timers, until)
        if timer is None:
            return
        state.timers.remove(timer)
        if _is_paused(handling, timer):
            state.parked = [*state.parked, timer]
            continue
        late = tick_at is not None and tick_at - timer.due > OUTAGE_MS
        at = tick_at if late and tick_at is not None else timer.due
        state.clock = max(state.clock, at)
        _FIRE[timer.kind](handling, timer, at)
        note_changes(handling, react)


def unpark(handling: Handling) -> None:
    """Give back the timers of campaigns that are live now, in their order: they waited, and are due now."""
    state = handling.state
    parked, state.parked = sorted(state.parked, key=_order), []
    for timer in parked:
        if _is_paused(handling, timer):
            state.parked.append(timer)
        else:
            handling.set_timer(max(timer.due, handling.now), timer.kind, timer.owner, timer.detail)


def _first_due(timers: list[Timer], until: int) -> Timer | None:
    first = None
    for timer in timers:
        if timer.due <= until and (first is None or _order(timer) < _order(first)):
            first = timer
    return first


def _order(timer: Timer) -> tuple[int, int]:
    return timer.due, timer.sequence


def _is_paused(handling: Handling, timer: Timer) -> bool:
    if timer.kind not in {WAIT_TIMER, MESSAGE_TIMER}:
        return False
    journey = _journey(handling, timer)
    if journey is None:
        return False
    campaign = handling.plan.current(journey.campaign)
    return (campaign is not None and campaign.paused) or is_ahead(handling, journey)


def _journey(handling: Handling, timer: Timer) -> Journey | None:
    return next((journey for journey in handling.state.journeys if journey.number == timer.owner), None)


def _go_on(handling: Handling, timer: Timer, at: int) -> None:
    journey = _journey(handling, timer)
    if journey is None or journey.at is None:
        return
    step = script_of(handling, journey).get(journey.at)
    if step is None:
        leave(handling, journey, "ended", "campaign_stopped")
        return
    journey.base = at
    waiting = step.waiting
    if step.watched is not None:
        step.watched("timed_out")
    on_timeout = waiting is not None and waiting.on_timeout
    proceed(handling, journey, f"{step.path}.on_timeout[0]" if on_timeout else step.next)


def _decide_message(handling: Handling, timer: Timer, at: int) -> None:
    del at
    journey = _journey(handling, timer)
    if journey is None:
        return
    message = message_at(handling, journey, timer.detail)
    if message is None:
        leave(handling, journey, "ended", "campaign_stopped")
        return
    resume(handling, journey, message, timer.detail)


def _notice_date(handling: Handling, timer: Timer, at: int) -> None:
    index, year = timer.detail.split("/")
    note_date(handling.state, str(timer.owner), index, int(year))
    set_date_timers(handling, only=(str(timer.owner), index))
    _enter(handling, timer, at, DATE_TIMER)


def _notice_cart(handling: Handling, timer: Timer, at: int) -> None:
    if handling.state.cart:
        _enter(handling, timer, at, "cart_abandoned", cart_body(handling.state))


def _notice_bonus(handling: Handling, timer: Timer, at: int) -> None:
    state = handling.state
    index, day = timer.detail.split("/")
    state.noticed = [*state.noticed, f"{timer.owner}/{timer.detail}"][-NOTICED_KEPT_MAX:]
    for campaign, place, trigger in handling.programme.bonus_triggers:
        if campaign.id == timer.owner and place == int(index):
            amount = notice_amount(handling, trigger, date.fromisoformat(day))
            if amount is not None:
                _enter(handling, timer, at, BONUS_TIMER, {"amount": amount, "currency": trigger.currency})


def _make_mailing(handling: Handling, timer: Timer, at: int) -> None:
    state = handling.state
    for campaign, index, trigger in handling.programme.schedule_triggers:
        if campaign.id != timer.owner or str(index) != timer.detail:
            continue
        following = next_mailing(handling, trigger)
        if following is not None:
            handling.set_timer(following, SCHEDULE_TIMER, timer.owner, timer.detail)
        local = to_datetime(timer.due, mailing_zone(handling, trigger)).replace(tzinfo=None)
        place = f"{campaign.id}/{campaign.version}/{timer.detail}/"
        last = next((mark.removeprefix(place) for mark in state.mailed if mark.startswith(place)), "")
        if last < local.isoformat():  # a member who moves west meets the same local moment twice
            others = [mark for mark in state.mailed if not mark.startswith(place)]
            state.mailed = [*others, place + local.isoformat()][-MAILED_KEPT_MAX:]
            _enter(handling, timer, at, SCHEDULE_TIMER)


def _enter(handling: Handling, timer: Timer, at: int, kind: str, body: dict[str, object] | None = None) -> None:
    campaign = handling.plan.current(str(timer.owner))
    if campaign is not None:
        enter(handling, campaign, made_by_timer(handling, kind, timer.due, body, timer.detail), at)


def _turn_segments(handling: Handling, timer: Timer, at: int) -> None:
    """Time alone may have changed a membership: it is noted after every timer."""
    del timer, at
    set_segment_timer(handling)


_FIRE: Mapping[str, Callable[[Handling, Timer, int], None]] = {
    WAIT_TIMER: _go_on,
    MESSAGE_TIMER: _decide_message,
    DATE_TIMER: _notice_date,
    CART_TIMER: _notice_cart,
    BONUS_TIMER: _notice_bonus,
    SCHEDULE_TIMER: _make_mailing,
    SEGMENT_TIMER: _turn_segments,
}
