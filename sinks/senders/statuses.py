"""What a sender reports: delivery statuses, whose ids follow from the dispatch, so that a repetition is recognised."""

import hashlib

from streams.engine.commands import Dispatch
from streams.engine.events import Event

SENT = "message_sent"
FAILED = "message_failed"
TOPIC = "delivery.statuses"

# A dispatch to someone unknown goes by the key of the stranger's state; its status must find the same state again.
_STRANGERS = {"visitor": "visitor_id", "card": "card_number", "phone": "phone", "email": "email"}


def status(dispatch: Dispatch, kind: str, *, at: int, reason: str | None = None) -> Event:
    """Make a delivery status of a dispatch. `at` is in milliseconds since the epoch."""
    body = {"dispatch_id": dispatch.dispatch_id, "channel": dispatch.channel}
    if reason is not None:
        body["reason"] = reason
    prefix, colon, rest = dispatch.member_id.partition(":")
    stranger = _STRANGERS.get(prefix) if colon else None
    if stranger is not None:
        body[stranger] = rest
    return Event(
        event_id=hashlib.sha256(f"{dispatch.dispatch_id}/{kind}".encode()).hexdigest()[:32],
        type=kind,
        occurred_at=at,
        source=f"sender.{dispatch.channel}",
        key=dispatch.member_id,
        member_id=None if stranger is not None else dispatch.member_id,
        body=body,
    )
