"""What a sender reports: delivery statuses, whose ids follow from the dispatch, so that a repetition is recognised."""

import hashlib

from streams.engine.commands import Dispatch
from streams.engine.events import Event, of_state

SENT = "message_sent"
FAILED = "message_failed"
TOPIC = "delivery.statuses"


def status(dispatch: Dispatch, kind: str, *, at: int, reason: str | None = None) -> Event:
    """Make a delivery status of a dispatch. `at` is in milliseconds since the epoch."""
    member_id, names = of_state(dispatch.member_id)  # of a stranger, too, the status must find the state
    body = {"dispatch_id": dispatch.dispatch_id, "channel": dispatch.channel, **names}
    if reason is not None:
        body["reason"] = reason
    return Event(
        event_id=hashlib.sha256(f"{dispatch.dispatch_id}/{kind}".encode()).hexdigest()[:32],
        type=kind,
        occurred_at=at,
        source=f"sender.{dispatch.channel}",
        key=dispatch.member_id,
        member_id=member_id,
        body=body,
    )
