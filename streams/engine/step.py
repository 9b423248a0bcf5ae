"""The engine's three verbs: `handle` an event, `advance` to a tick, `adopt` a programme. Pure: state in, commands out.

The order within one event is the contract's (§4.5): profile, counters, segments; the journeys that it cancels; the waits
that it ends; goals; triggers; and last whatever timers were set meanwhile and are already due. Before it, the timers
fire that are due by its time (§4.2).

A caller that keeps many members passes the last tick of their partition as `tick_at`: a tick moves every member's
clock (§4.2), and a member without a timer due isn't loaded for it.
"""

from typing import TYPE_CHECKING

from streams.engine.bonus import apply_to_bonus, set_bonus_timers
from streams.engine.calendar_timers import set_date_timers, set_schedule_timers
from streams.engine.cart import apply_to_cart, set_cart_timers
from streams.engine.counting import count
from streams.engine.events import Event
from streams.engine.handling import Handling, Output
from streams.engine.ids import seen_key
from streams.engine.journeys import leave
from streams.engine.limits import SEEN_FOR_MS
from streams.engine.profile import apply_to_profile, changes_profile
from streams.engine.reacting import mail, react
from streams.engine.segments import note_changes, note_silently
from streams.engine.state import BEFORE_ALL, Journey, MemberState, new
from streams.engine.timers import fire_due, unpark

if TYPE_CHECKING:
    from streams.engine.campaign import Campaign
    from streams.programme.programme import Programme


def handle(programme: "Programme", state: MemberState, event: Event, *, tick_at: int | None = None) -> list[Output]:
    """Handle one event of the member's; change `state` and return what follows from it, in order.

    `tick_at` is the last tick of the partition, in ms.
    """
    handling = Handling(programme, state)
    if tick_at is not None and tick_at > state.clock:
        state.clock = tick_at
    key = seen_key(event.source, event.event_id)
    first_seen = state.seen.get(key)
    if first_seen is not None and max(state.clock, event.occurred_at) - first_seen <= SEEN_FOR_MS:
        return handling.output
    if state.programme != programme.number:
        _enrol(handling, event)
    fire_due(handling, event.occurred_at)
    handling.event = event
    handling.late = event.occurred_at < state.clock
    state.clock = max(state.clock, event.occurred_at)
    _remember(state, key)
    if event.type == "member_erased":
        _erase(handling)
        return handling.output
    _apply(handling, event)
    if event.historical:
        note_silently(handling)
    else:
        react(handling, event)
        note_changes(handling, react)
        _tell_referrer(handling, event)
    _note_time(state, event)
    handling.event = None
    fire_due(handling, state.clock)
    return handling.output


def advance(programme: "Programme", state: MemberState, at: int, *, wall: bool) -> list[Output]:
    """A tick at `at` (ms): fire all timers due by it. `wall`: the tick was taken from the clock."""
    handling = Handling(programme, state)
    fire_due(handling, at, tick_at=at if wall else None)
    state.clock = max(state.clock, at)
    return handling.output


def adopt(programme: "Programme", state: MemberState, at: int, *, tick_at: int | None = None) -> list[Output]:
    """`programme` comes into force for a member who is known already, at `at` (ms)."""
    handling = Handling(programme, state)
    state.clock = max(state.clock, at, tick_at if tick_at is not None else at)
    state.programme = programme.number
    for journey in list(state.journeys):
        campaign = programme.current(journey.campaign)
        if campaign is None or campaign.status == "stopped" or _is_stopped_in_flight(journey.version, campaign):
            leave(handling, journey, "ended", "campaign_stopped")
        elif campaign.in_flight == "move" and journey.version != campaign.version:
            _move(handling, journey, campaign)
    _set_timers(handling)
    note_silently(handling)
    mail(handling)
    unpark(handling)
    fire_due(handling, state.clock)
    return handling.output


def _is_stopped_in_flight(version: int, campaign: "Campaign") -> bool:
    return campaign.in_flight == "stop" and version != campaign.version


def _move(handling: Handling, journey: Journey, campaign: "Campaign") -> None:
    """Go on in the new version, at the same place if it is the same kind of action there."""
    old = handling.definition(journey)
    places = [journey.at, *(pending.path for pending in journey.pending)]
    fits = old is not None and all(
        place is None
        or (place in campaign.script and campaign.script[place].action.kind == old.script[place].action.kind)
        for place in places
    )
    if fits:
        journey.version = campaign.version
    else:
        leave(handling, journey, "ended", "campaign_stopped")


def _enrol(handling: Handling, event: Event) -> None:
    """A member whom the programme in force hasn't met: what it applied at its coming is past for them."""
    state = handling.state
    if state.clock == BEFORE_ALL:
        state.clock = event.occurred_at
        _set_timers(handling)
        state.clock = BEFORE_ALL
    else:
        _set_timers(handling)
    state.programme = handling.programme.number


def _set_timers(handling: Handling) -> None:
    set_cart_timers(handling, only_ahead=True)
    set_bonus_timers(handling)
    set_date_timers(handling)
    set_schedule_timers(handling)


def _apply(handling: Handling, event: Event) -> None:
    state = handling.state
    programme = handling.programme
    apply_to_profile(state, event, late=handling.late, region=programme.policies.default_region)
    if event.type == "segment_assigned" or event.type == "segment_removed":
        segment = event.body.get("segment")
        if segment is not None:
            state.assigned[segment] = event.type == "segment_assigned"
    apply_to_cart(handling, event)
    apply_to_bonus(handling, event)
    if changes_profile(event.type):
        set_date_timers(handling)
    count(handling, event)


def _remember(state: MemberState, key: int) -> None:
    seen = state.seen
    seen.pop(key, None)
    seen[key] = state.clock
    while state.clock - next(iter(seen.values())) > SEEN_FOR_MS:
        del seen[next(iter(seen))]


def _note_time(state: MemberState, event: Event) -> None:
    """Keep the latest two distinct times of each event type, for `days_since`."""
    times = state.last_at.get(event.type)
    at = event.occurred_at
    if times is None:
        state.last_at[event.type] = (at, None)
        return
    latest, earlier = times
    if at > latest:
        state.last_at[event.type] = (at, latest)
    elif at < latest and (earlier is None or at > earlier):
        state.last_at[event.type] = (latest, at)


def _tell_referrer(handling: Handling, event: Event) -> None:
    """A friend's purchase: to the member who brought them (contract §2, Derived)."""
    referrer = handling.state.profile.referrer_id
    if event.type != "purchase_completed" or not referrer or referrer == handling.state.key:
        return
    handling.output.append(
        Event(
            event_id=f"friend:{event.event_id}",
            type="friend_purchase_completed",
            occurred_at=event.occurred_at,
            source=event.source,
            key=referrer,
            member_id=referrer,
            body={**event.body, "friend_id": handling.state.key},
        )
    )


def _erase(handling: Handling) -> None:
    """Forget the member: journeys end, and of the state remain its clock and the events that must not count twice."""
    state = handling.state
    for journey in list(state.journeys):
        leave(handling, journey, "cancelled", "member_erased")
    blank = new(state.key)
    for field in MemberState.__struct_fields__:
        if field not in {"key", "clock", "sequence", "programme", "seen", "mailed", "dated"}:
            setattr(state, field, getattr(blank, field))
