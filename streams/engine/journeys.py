"""A journey's life: entered, run from wait to wait, cancelled, superseded or ended.

Contract §4.5-4.8. `proceed` runs actions until one waits or the script ends; a journey whose actions are done but whose
messages are still pending keeps running until the last of them is decided.
"""

from typing import TYPE_CHECKING

from streams.engine.entry_body import pack
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.limits import (
    ENTRY_BYTES_MAX,
    ENTRY_BYTES_SMALL,
    JOURNEYS_PER_MEMBER_MAX,
    STEPS_PER_RUN_MAX,
)
from streams.engine.plans import IGNORE, PARALLEL, RESTART, CampaignPlan
from streams.engine.script import FIRST, Script
from streams.engine.sending import start
from streams.engine.state import Journey, MemberState, Timer
from streams.engine.view import View

if TYPE_CHECKING:
    from streams.engine.actions import Result


def enter(handling: Handling, campaign: CampaignPlan, event: Event, at: int, view: View | None = None) -> None:
    """Check the entry rules in the contract's order (§4.6); if they allow it, start a journey entered at `at` (ms).

    `view` is one of the event's body, if there is one already.
    """
    reason = _refusal(handling, campaign, event, at, view)
    state = handling.state
    if reason is not None:
        if reason == "holdout":
            _note_entry(handling, campaign.id, at)
        handling.decide(campaign.id, campaign.version, None, "refused", reason)
        return
    if campaign.while_running == RESTART:
        for journey in _running(handling, campaign.id):
            leave(handling, journey, "superseded", "superseded")
    body = pack(campaign.remembered(event.body))
    limit = _limit_in_the_way(handling, campaign.id, body)
    if limit is not None:
        handling.exceed(campaign.id, campaign.version, None, "refused", limit)
        return
    _note_entry(handling, campaign.id, at)
    journey = Journey(
        state.next_number(),
        campaign.id,
        campaign.version,
        at,
        "",
        event.source,
        event.event_id,
        None if event.occurred_at == at else event.occurred_at,
        body,
        at,
    )
    journeys = state.journeys
    journeys.append(journey)
    if len(journeys) > 1 and journeys[-2].entered_at > at:  # by a late event: they stand in order of entry
        journeys.sort(key=_entered_at)
    proceed(handling, journey, FIRST if campaign.starts else None)


def _refusal(handling: Handling, campaign: CampaignPlan, event: Event, at: int, view: View | None) -> str | None:
    if not campaign.admits(at):
        return "inactive"
    audience = campaign.audience
    if audience is not None and not audience(view or View(handling, event.body)):
        return "not_in_audience"
    if campaign.once or campaign.again is not None:
        last = handling.state.entries.get(campaign.id)
        if last is not None and (campaign.again is None or campaign.again.after(last) > at):
            return "entered_before"
    if campaign.while_running != PARALLEL:
        for journey in handling.state.journeys:
            if journey.campaign == campaign.id and (campaign.while_running == IGNORE or journey.entered_at > at):
                return "already_running"
    everywhere, here = handling.plan.held_out, campaign.held_out
    if (everywhere is not None and everywhere.holds(handling.state.key)) or (
        here is not None and here.holds(handling.state.key)
    ):
        return "holdout"
    return None


def _limit_in_the_way(handling: Handling, campaign_id: str, body: bytes) -> str | None:
    journeys = handling.state.journeys
    if len(journeys) >= JOURNEYS_PER_MEMBER_MAX:
        return "journeys"
    if len(body) > ENTRY_BYTES_SMALL:
        handling.grew = True
        remembered = sum(len(journey.entry_body) for journey in journeys)
        if remembered + len(body) > ENTRY_BYTES_MAX:
            return "entry_bytes"
    return None if handling.may_enter(campaign_id) else "entries"


def _note_entry(handling: Handling, campaign_id: str, at: int) -> None:
    entries = handling.state.entries
    last = entries.get(campaign_id)
    if last is None or last < at:
        entries[campaign_id] = at


def _running(handling: Handling, campaign_id: str) -> list[Journey]:
    return [journey for journey in handling.state.journeys if journey.campaign == campaign_id]


def script_of(handling: Handling, journey: Journey) -> Script:
    """The steps of the version that the journey runs."""
    campaign = handling.definition(journey)
    return {} if campaign is None else campaign.script


def proceed(handling: Handling, journey: Journey, path: str | None) -> None:
    """Run actions from `path` on to the next wait or the end."""
    script = script_of(handling, journey)
    steps = 0
    while path is not None:
        steps += 1
        if steps > STEPS_PER_RUN_MAX or not handling.may_act(journey.campaign):
            leave(handling, journey, "ended", "limit_exceeded", "actions")
            return
        step = script[path]
        journey.at = None
        if step.watched is not None:
            step.watched("")
        if step.waiting is not None:
            step.waiting.begin(handling, journey)
            journey.at = path
            return
        if step.message is not None:
            start(handling, journey, step)
            path = step.next
            continue
        result: Result = step.action.run(handling, journey, step)
        if step.watched is not None:
            step.watched(result)
        if result.limit is not None:
            leave(handling, journey, "ended", "limit_exceeded", result.limit)
            return
        if result.ends is not None:
            finish(handling, journey, result.ends)
            return
        path = result.path
    finish(handling, journey, "completed")


def finish(handling: Handling, journey: Journey, reason: str) -> None:
    """The journey's actions are done; it ends now, or when its last pending message is decided."""
    journey.at = None
    if journey.pending:
        journey.ending = reason
        return
    leave(handling, journey, "ended", reason)


def settle(handling: Handling, journey: Journey) -> None:
    """End a journey whose actions were done and whose last message has just been decided."""
    if journey.ending is not None and not journey.pending:
        leave(handling, journey, "ended", journey.ending)


def leave(handling: Handling, journey: Journey, outcome: str, reason: str, limit: str | None = None) -> None:
    """Take the journey out, with its timers and whatever messages were pending."""
    state = handling.state
    at = journey.at or (journey.pending[0].path if journey.pending and outcome != "ended" else None)
    state.journeys.remove(journey)
    handling.drop_journey_timers(journey.number)
    if limit is not None:
        handling.exceed(journey.campaign, journey.version, at, outcome, limit)
    else:
        handling.decide(journey.campaign, journey.version, at, outcome, reason)


def move_in(handling: Handling, other: MemberState) -> None:
    """Take over the journeys of another state, with their timers, after those of this one.

    Of a campaign that runs for both, this one's journeys are kept; so they are where there would be too many.
    """
    state = handling.state
    running = {journey.campaign for journey in state.journeys}
    numbers: dict[int | str, int] = {}
    moved = list(other.journeys)
    for journey in moved:
        numbers[journey.number] = state.next_number()
        journey.number = numbers[journey.number]
        journey.member_id = journey.member_id or other.key
        state.journeys.append(journey)
    for own, theirs in ((state.timers, other.timers), (state.parked, other.parked)):
        for timer in sorted(theirs, key=lambda timer: timer.sequence):
            if timer.owner in numbers:
                own.append(Timer(timer.due, state.next_number(), timer.kind, numbers[timer.owner], timer.detail))
    for journey in moved:
        if journey.campaign in running:
            leave(handling, journey, "superseded", "superseded")
    for journey in reversed(moved):
        if len(state.journeys) > JOURNEYS_PER_MEMBER_MAX and is_running(handling, journey):
            leave(handling, journey, "ended", "limit_exceeded", "journeys")
    if moved:
        state.journeys.sort(key=_entered_at)


def _entered_at(journey: Journey) -> int:
    return journey.entered_at


def is_running(handling: Handling, journey: Journey) -> bool:
    """Whether the journey hasn't been taken out meanwhile."""
    for other in handling.state.journeys:  # noqa: SIM110 - not a generator: it is asked for every journey
        if other is journey:
            return True
    return False
