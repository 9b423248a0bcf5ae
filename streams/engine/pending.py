"""Messages that aren't decided yet: put off, or cascading and waiting for a status (contract §4.8, "Cascade")."""

from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.journeys import settle
from streams.engine.message_plans import MessagePlan
from streams.engine.sending import MESSAGE_TIMER, attempt, forget
from streams.engine.state import Journey

FAILED = "message_failed"


def resume(handling: Handling, journey: Journey, message: MessagePlan, path: str) -> None:
    """The timer of a pending message came due: check it again, or go to the cascade's next step."""
    pending = next((item for item in journey.pending if item.path == path), None)
    if pending is None:
        return
    if pending.sent is not None:
        pending.step += 1
        pending.sent = None
    attempt(handling, journey, message, pending)
    settle(handling, journey)


def answer(handling: Handling, journey: Journey, event: Event) -> None:
    """Decide what hangs on a delivery status: a step of one of the journey's cascades."""
    dispatch_id = event.body.get("dispatch_id")
    if dispatch_id is None:
        return
    for pending in [item for item in journey.pending if item.sent == dispatch_id]:
        message = message_at(handling, journey, pending.path)
        if message is None or pending.step >= len(message.steps):
            continue
        step = message.steps[pending.step]
        if event.type == FAILED:
            handling.drop_timers(MESSAGE_TIMER, journey.number, pending.path)
            resume(handling, journey, message, pending.path)
        elif event.type in step.met_by:
            handling.drop_timers(MESSAGE_TIMER, journey.number, pending.path)
            forget(journey, pending)
            settle(handling, journey)


def message_at(handling: Handling, journey: Journey, path: str) -> MessagePlan | None:
    """The message that stands at `path`; None if the definition was changed and there is none any more."""
    campaign = handling.definition(journey)
    step = None if campaign is None else campaign.script.get(path)
    return None if step is None else step.message
