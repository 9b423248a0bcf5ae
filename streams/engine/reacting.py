"""What an event does to journeys: those that it cancels, the waits that it ends, goals, and triggers, in this order.

Contract §4.5; and §4.3 for what a late event can still do.
"""

from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.journeys import enter, is_running, leave, proceed
from streams.engine.limits import MAILED_KEPT_MAX
from streams.engine.pending import answer
from streams.engine.plans import CampaignPlan
from streams.engine.state import Journey
from streams.engine.view import View
from streams.engine.waiting import WAIT_TIMER


def react(handling: Handling, event: Event) -> None:
    """Let the event cancel, answer, reach goals and trigger."""
    if handling.state.journeys:
        running: _Running = []
        for journey in handling.state.journeys:
            running_now = handling.definition(journey)
            if running_now is not None:
                running.append((journey, running_now))
        _cancel(handling, running, event)
        _answer(handling, running, event)
        _reach_goals(handling, running, event)
    listeners = handling.plan.listeners.get(event.type)
    if listeners is None:
        return
    started: CampaignPlan | None = None
    view = View(handling, event.body)
    for listener in listeners:
        campaign = listener.campaign
        if campaign is not started and (listener.test is None or listener.test(view)):
            started = campaign
            enter(handling, campaign, event, event.occurred_at, view)


_Running = list[tuple[Journey, CampaignPlan]]


def _in_time(handling: Handling, journey: Journey, event: Event) -> bool:
    return not handling.late or journey.entered_at <= event.occurred_at


def _cancel(handling: Handling, running: _Running, event: Event) -> None:
    for journey, campaign in running:
        tests = campaign.cancelled_by.get(event.type)
        if tests is None or not _in_time(handling, journey, event):
            continue
        for where in tests:
            if where is None or where(View(handling, event.body, journey)):
                leave(handling, journey, "cancelled", "cancelled")
                break


def _answer(handling: Handling, running: _Running, event: Event) -> None:
    for journey, campaign in running:
        if journey.pending and is_running(handling, journey):
            answer(handling, journey, event)
        if journey.at is None or not is_running(handling, journey):
            continue
        step = campaign.script.get(journey.at)
        if step is None or step.waiting is None or not step.waiting.is_answered(handling, journey, event):
            continue
        if step.watched is not None:
            step.watched("answered")
        handling.drop_timers(WAIT_TIMER, journey.number)
        journey.base = event.occurred_at
        proceed(handling, journey, step.next)


def _reach_goals(handling: Handling, running: _Running, event: Event) -> None:
    for journey, campaign in running:
        goal = campaign.goal
        if goal is None or not goal.ends or goal.event != event.type or not _in_time(handling, journey, event):
            continue
        if not is_running(handling, journey):
            continue
        if goal.test is None or goal.test(View(handling, event.body, journey)):
            leave(handling, journey, "ended", "goal")


def mail(handling: Handling) -> None:
    """Make the mailings that go out at once, to a member who is known as their programme comes into force."""
    state = handling.state
    for campaign in handling.plan.mailings_now:
        mark = f"{campaign.id}/{campaign.version}/now"
        if mark in state.mailed:
            continue
        if campaign.admits(handling.now):  # one that isn't live yet goes out when it is
            state.mailed = [*state.mailed, mark][-MAILED_KEPT_MAX:]
        enter(handling, campaign, made_by_timer(handling, "now", handling.now), handling.now)


def made_by_timer(
    handling: Handling, kind: str, due: int, body: dict[str, object] | None = None, detail: str = ""
) -> Event:
    """The entry event that a timer makes; its identity is its kind and when it was due (contract §4.9).

    `detail` tells apart what one campaign may have due at one moment: its triggers, the days of bonus notices.
    """
    return Event(
        event_id=f"{kind}/{detail}" if detail else kind,
        type=kind,
        occurred_at=due,
        source="timer",
        key=handling.state.key,
        member_id=handling.state.key,
        body=body or {},
    )
