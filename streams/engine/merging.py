"""Two states that turn out to be one person's become one: the other's goes into that of the member who stays.

Contract §2, Identity: a stranger's state when a link is made, a member's when two members were merged.

It happens at the moment of the event that says so, before that event is handled. What was due before that moment was
each one's own; what is due at it or later is the one member's, so that a cart which was left an hour ago counts for
whoever logs in now. What both have:

- What is counted adds up: purchases, counters, quantities in the cart. What is remembered unites: events seen, sent
  messages and what was attributed to them, entries, awards, mailings, notices, orders, accruals, segments assigned.
- What is said: the member's own counts, and where there is nothing, the other's. Of consent the latest statement of a
  scope counts, by time, and at the same time the member's own.
- Journeys move with their timers and pending messages, at the member's address from now on; their ids stay those of the
  member at entry (§4.9). Of a campaign that runs for both, the member's is kept: the other is superseded by it, and its
  pending messages aren't sent.
- Memberships that either had count as known, so that nobody enters again where they were; then they are looked at, and
  who comes in or out by what was united does so aloud.
- Timers of carts, bonus, dates and mailings are reckoned anew, those due at this very moment included. What the
  campaigns were told already they aren't told again. A late event brings back no date or mailing that is past.

Each partition gets a programme at its own place of its log, so the other's state may have met another one than is in
force for the member. It is brought to the member's: its counters and memberships, and of an earlier one its journeys as
if it had come into force for them, too. What is of a later one waits for that (`streams.engine.carry_over`), and the
state counts as one that has met it.

Timers fire once: those of the state that goes are moved or dropped, and it is no more.
"""

from typing import TYPE_CHECKING

from streams.engine.attribution import unite_sent
from streams.engine.bonus import set_bonus_timers
from streams.engine.calendar_timers import set_date_timers, set_schedule_timers, unite_dates
from streams.engine.carry_over import carry_all_over
from streams.engine.cart import set_cart_timers, unite_carts
from streams.engine.commands import ProfileCheck
from streams.engine.counting import adopt_counters, unite_counts
from streams.engine.handling import Handling, Output, note_time_of
from streams.engine.journeys import move_in
from streams.engine.limits import (
    ACCRUALS_KEPT_MAX,
    ASSIGNED_MAX,
    MAILED_KEPT_MAX,
    NOTICED_KEPT_MAX,
    SEEN_FOR_MS,
    SEEN_MAX,
)
from streams.engine.profile import unite_profiles
from streams.engine.reacting import react
from streams.engine.segments import note_changes, note_silently, set_segment_timer
from streams.engine.state import ERASED, NOBODYS, MemberState
from streams.engine.timers import fire_due, unpark
from streams.engine.weight import relieve
from streams.profile.findings import as_record
from streams.profile.read import too_many_attributes

if TYPE_CHECKING:
    from streams.programme.programme import Programme


def merge(
    programme: "Programme",
    state: MemberState,
    other: MemberState,
    at: int,
    *,
    historical: bool = False,
    tick_at: int | None = None,
) -> list[Output]:
    """Make `other` part of `state` at the moment `at` (ms) and return what follows; `other` is to be thrown away.

    `historical`: the event that says so is, and nothing is triggered. `tick_at` is the partition's last tick, in ms.
    """
    before = Handling(programme, other)
    handling = Handling(programme, state)
    if other.programme not in {programme.number, NOBODYS}:
        _bring_over(before, at)
    for each in (before, handling):
        fire_due(each, at - 1)  # at their own times: a tick of the member's partition was none of the other's
    handling.output[:0] = before.output
    state.clock = max(state.clock, other.clock, at, at if tick_at is None else tick_at)
    left_out = unite_profiles(state, other, programme.policies.default_region)
    if left_out:
        handling.output.append(_told(state, other, at, left_out))
    unite_counts(handling, other)
    unite_sent(state, other)
    _unite_memories(state, other)
    waiting = unite_carts(state, other)
    met = max(state.programme, other.programme)
    if met >= programme.number:
        state.programme = met
        set_cart_timers(handling, only_ahead=historical, only=waiting)
        set_bonus_timers(handling, since=None if historical else at)
        on_time = None if historical or at < state.clock else at
        set_date_timers(handling, since=on_time)
        set_schedule_timers(handling, since=on_time)
    move_in(handling, other)
    if historical:
        note_silently(handling)
    else:
        note_changes(handling, react)
    set_segment_timer(handling)
    fire_due(handling, state.clock)
    relieve(handling, gathered=True)
    return handling.output


def _told(state: MemberState, other: MemberState, at: int, left_out: int) -> ProfileCheck:
    """Report attributes of the other that there was no room for, as is done of an event's."""
    return ProfileCheck(
        at=state.clock,
        member_id=state.key,
        source="identity",
        event="states_merged",
        event_id=other.key,
        occurred_at=at,
        findings=[as_record(too_many_attributes(left_out))],
    )


def _bring_over(handling: Handling, at: int) -> None:
    """Bring a state that has met another programme to the one at hand; it has come by the moment before `at` (ms)."""
    state = handling.state
    state.clock = max(state.clock, at - 1)
    adopt_counters(handling)
    carry_all_over(handling)
    note_silently(handling)
    unpark(handling)
    if state.programme < handling.plan.number:
        set_cart_timers(handling, only_ahead=True)
        state.programme = handling.plan.number


def _unite_memories(state: MemberState, other: MemberState) -> None:
    seen = dict(other.seen)
    for key, clock in state.seen.items():
        first, again = sorted((clock, seen.get(key, clock)))
        seen[key] = first if again - first <= SEEN_FOR_MS else again  # which was no repetition, but a first one, too
    state.seen = dict(sorted(seen.items(), key=lambda item: item[1])[-SEEN_MAX:])
    for event_type, times in other.last_at.items():
        for at in times:
            if at is not None and event_type != ERASED:  # which is each one's own
                note_time_of(state, event_type, at)
    for campaign, entered_at in other.entries.items():
        state.entries[campaign] = max(entered_at, state.entries.get(campaign, entered_at))
    for place, given in other.awarded.items():
        state.awarded[place] = sorted([*state.awarded.get(place, ()), *given])
    for segment, inside in other.assigned.items():
        if segment not in state.assigned and len(state.assigned) < ASSIGNED_MAX:
            state.assigned[segment] = inside
    state.inside = [*state.inside, *(segment for segment in other.inside if segment not in state.inside)]
    state.rfm = {**other.rfm, **state.rfm}
    unite_dates(state, other)
    mailed: dict[str, str] = {}
    for mark in (*other.mailed, *state.mailed):
        place, _, last = mark.rpartition("/")
        mailed[place] = max(last, mailed.get(place, last))
    state.mailed = [f"{place}/{last}" for place, last in mailed.items()][-MAILED_KEPT_MAX:]
    noticed = [*other.noticed, *(mark for mark in state.noticed if mark not in other.noticed)]
    state.noticed = noticed[-NOTICED_KEPT_MAX:]
    known = {accrual.accrual_id for accrual in state.accruals}
    more = [accrual for accrual in other.accruals if accrual.accrual_id not in known]
    state.accruals = sorted([*state.accruals, *more], key=lambda accrual: accrual.accrued_at)[-ACCRUALS_KEPT_MAX:]
