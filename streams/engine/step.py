"""The engine's three verbs: `handle` an event, `advance` to a tick, `adopt` a programme. Pure: state in, commands out.

The order within one event is the contract's (§4.5): profile, counters, segments; the journeys that it cancels; the
waits that it ends; goals; triggers; and last whatever timers were set meanwhile and are already due. Before it, the
timers fire that are due by its time (§4.2).

A caller that keeps many members passes the last tick of their partition as `tick_at`: a tick moves every member's
clock (§4.2), and a member without a timer due isn't loaded for it.
"""

from typing import TYPE_CHECKING

from streams.engine.attribution import attribute
from streams.engine.bonus import apply_to_bonus, set_bonus_timers
from streams.engine.calendar_timers import set_date_timers, set_schedule_timers
from streams.engine.carry_over import carry_all_over
from streams.engine.cart import apply_to_cart, set_cart_timers
from streams.engine.commands import ProfileCheck
from streams.engine.counting import adopt_counters, count
from streams.engine.events import Event
from streams.engine.handling import Handling, Output, note_time
from streams.engine.ids import seen_key
from streams.engine.journeys import leave
from streams.engine.limits import JOURNEYS_LIGHT, SEEN_FOR_MS, SEEN_MAX
from streams.engine.profile import apply_to_profile, awaits_confirmation, changes_profile, cut, read_statement
from streams.engine.reacting import mail, react
from streams.engine.segments import note_changes, note_silently, set_segment_timer
from streams.engine.state import ERASED, NOBODYS, MemberState, fields, new
from streams.engine.timers import fire_due, unpark
from streams.engine.weight import relieve
from streams.profile.findings import Finding, as_record

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    fire_due(handling, event.occurred_at)
    handling.late = event.occurred_at < state.clock
    state.clock = max(state.clock, event.occurred_at)
    _remember(state, key)
    if event.type == ERASED:
        _erase(handling, event)
        return handling.output
    erased = state.last_at.get(ERASED)
    if erased is not None and _is_over(handling, event, erased[0]):
        return handling.output
    if state.programme < handling.plan.number:
        _enrol(handling)
    _apply(handling, event)
    if not event.historical:
        react(handling, event)
    _note_changes(handling, event)
    _tell_referrer(handling, event)
    note_time(state, event)
    if handling.late:  # over, it counts for days since: not a moment later, as one of now does
        _note_changes(handling, event)
        handling.late = False
    set_segment_timer(handling)
    fire_due(handling, state.clock)
    if handling.grew or event.type in _GROWING or len(state.journeys) > JOURNEYS_LIGHT:
        relieve(handling)
    return handling.output


def advance(programme: "Programme", state: MemberState, at: int, *, wall: bool) -> list[Output]:
    """A tick at `at` (ms): fire all timers due by it. `wall`: the tick was taken from the clock."""
    handling = Handling(programme, state)
    fire_due(handling, at, tick_at=at if wall else None)
    state.clock = max(state.clock, at)
    if len(state.journeys) > JOURNEYS_LIGHT:
        relieve(handling)
    return handling.output


def adopt(programme: "Programme", state: MemberState, at: int, *, tick_at: int | None = None) -> list[Output]:
    """`programme` comes into force for a member who is known already, at `at` (ms).

    What was due before is the earlier programme's: a caller that has it advances the member to `at` first.
    """
    handling = Handling(programme, state)
    state.clock = max(state.clock, tick_at) if tick_at is not None else state.clock
    fire_due(handling, at)
    state.clock = max(state.clock, at)
    if state.programme == NOBODYS:
        return handling.output
    state.programme = max(state.programme, programme.number)
    adopt_counters(handling)
    carry_all_over(handling)
    _set_timers(handling)
    note_silently(handling)
    mail(handling)
    note_changes(handling, react)
    unpark(handling)
    set_segment_timer(handling)
    fire_due(handling, state.clock)
    return handling.output


def erased_at(state: MemberState) -> int | None:
    """Return the member's clock (ms) if they were erased and nothing has come since, else None."""
    return state.clock if state.programme == NOBODYS else None


def _note_changes(handling: Handling, event: Event) -> None:
    if event.historical:
        note_silently(handling)
    else:
        note_changes(handling, react)


def _enrol(handling: Handling) -> None:
    """A member whom the programme in force hasn't met: known from now on, so that what was before is past for them."""
    _set_timers(handling)
    handling.state.programme = handling.plan.number


def _set_timers(handling: Handling) -> None:
    set_cart_timers(handling, only_ahead=True)
    set_bonus_timers(handling)
    set_date_timers(handling)
    set_schedule_timers(handling)


def _apply(handling: Handling, event: Event) -> None:
    state = handling.state
    zone_before = state.profile.city_zone
    findings: Sequence[Finding]
    if event.type == "subscription_changed":
        findings = _apply_statement(handling, event)
    else:
        findings = apply_to_profile(state, event, late=handling.late, region=handling.plan.region)
    if findings:
        handling.output.append(
            ProfileCheck(
                at=state.clock,
                member_id=state.key,
                source=event.source,
                event=event.type,
                event_id=event.event_id,
                occurred_at=event.occurred_at,
                findings=[as_record(finding) for finding in findings],
            )
        )
    if event.type in _LISTS:
        _apply_to_lists(handling, event)
    apply_to_cart(handling, event)
    apply_to_bonus(handling, event)
    if changes_profile(event.type) or state.profile.city_zone != zone_before:
        set_bonus_timers(handling)
        set_date_timers(handling)
        set_schedule_timers(handling, moved=True)
    count(handling, event)
    attribute(handling, event)


def _apply_statement(handling: Handling, event: Event) -> "Sequence[Finding]":
    """Note what a `subscription_changed` states, unless it is a yes that is to be confirmed."""
    types = handling.plan.types
    said, findings = read_statement(event, types)
    if not awaits_confirmation(said, types):
        told = apply_to_profile(handling.state, said, late=handling.late, region=handling.plan.region)
        findings = [*told, *findings]
    return findings


def _apply_to_lists(handling: Handling, event: Event) -> None:
    segment = event.body.get("segment")
    if segment is not None:
        handling.assign(cut(segment), inside=event.type == "segment_assigned")


def _remember(state: MemberState, key: int) -> None:
    seen = state.seen
    seen.pop(key, None)
    seen[key] = state.clock
    while True:
        oldest = next(iter(seen))
        if len(seen) <= SEEN_MAX and state.clock - seen[oldest] <= SEEN_FOR_MS:
            return
        del seen[oldest]


_GROWING = frozenset(
    {
        "registration_completed",
        "profile_updated",
        "social_profile_linked",
        "segment_assigned",
        "cart_item_added",
        "order_placed",
        "bonus_accrued",
    }
)
"""Types whose events may add to the state without bound, but for the bounds of its lists."""
_LISTS = frozenset({"segment_assigned", "segment_removed"})
_OBJECTIONS = frozenset({"subscription_changed", "member_unsubscribed", "message_complained"})
_OF_OTHERS = frozenset(
    {
        *("message_sent", "message_delivered", "message_opened", "message_clicked", "message_failed"),
        *("bonus_activated", "bonus_expired", "bonus_cancelled", "purchase_returned", "order_cancelled"),
        *("status_calculated", "friend_purchase_completed"),
    }
)
"""What goes on about a member who was erased, without them: what became of messages, points and purchases of before."""
_IDENTIFIERS = frozenset({"card_number", "visitor_id", "phone", "email"})


def _tell_referrer(handling: Handling, event: Event) -> None:
    """A friend's purchase: to the member who brought them (contract §2, Derived), without what identifies the friend.

    That of a historical purchase is historical: it counts, and triggers nothing.
    """
    if event.type != "purchase_completed":
        return
    referrer = handling.state.profile.referrer_id
    if not referrer or referrer == handling.state.key:
        return
    handling.output.append(
        Event(
            event_id=f"friend:{event.event_id}",
            type="friend_purchase_completed",
            occurred_at=event.occurred_at,
            source=event.source,
            key=referrer,
            member_id=referrer,
            historical=event.historical,
            body={name: value for name, value in event.body.items() if name not in _IDENTIFIERS}
            | {"friend_id": handling.state.key},
        )
    )


def _is_over(handling: Handling, event: Event, erased_at: int) -> bool:
    """Whether an event makes nobody known who was erased at `erased_at` (ms): it is of before, or others say it.

    Of what others say, a no and lists are kept: who is known again later was taken off, or put on, meanwhile.
    """
    state = handling.state
    if event.type == "members_merged":
        return False
    if event.occurred_at <= erased_at:
        return True
    if state.programme != NOBODYS:
        return False
    if event.type in _OBJECTIONS and not event.body.get("subscribed"):
        if event.type == "subscription_changed":
            _apply_statement(handling, event)
        else:
            apply_to_profile(state, event, late=handling.late, region=handling.plan.region)
        return True
    if event.type in _LISTS:
        _apply_to_lists(handling, event)
        return True
    return event.type in _OF_OTHERS


def _erase(handling: Handling, event: Event) -> None:
    """Forget the member: journeys end, and of the state remain its clock and the events that must not count twice.

    No programme knows them, and no mailing goes to them, until another event makes them known. When it was is kept, so
    that what they did until then doesn't come back with what arrives late.
    """
    state = handling.state
    erased = state.last_at.get(ERASED)
    for journey in list(state.journeys):
        leave(handling, journey, "cancelled", "member_erased")
    blank = new(state.key)
    for field in fields(MemberState):
        if field not in {"key", "clock", "sequence", "seen", "mailed", "dated"}:
            setattr(state, field, getattr(blank, field))
    if erased is not None:
        state.last_at[ERASED] = erased
    note_time(state, event)
    state.programme = NOBODYS
