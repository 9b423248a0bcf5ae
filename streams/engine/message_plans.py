"""How messages are sent, as the engine runs it: actions that send, and the policies, as plain classes.

Definitions are pydantic's models, which machine code can only ask for their fields by name. What is asked for every
message stands here instead, made once from the definitions and in the form that is needed.
"""

from datetime import time
from typing import TYPE_CHECKING, Final

from streams.engine.channels import CHANNELS
from streams.engine.spans import Span, span_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.engine.actions import Message
    from streams.engine.actions.send import CascadeStep
    from streams.engine.campaign import Policies

_MEETS: Final[dict[str, frozenset[str]]] = {
    "sent": frozenset({"message_sent", "message_delivered", "message_opened", "message_clicked"}),
    "delivered": frozenset({"message_delivered", "message_opened", "message_clicked"}),
    "opened": frozenset({"message_opened", "message_clicked"}),
    "clicked": frozenset({"message_clicked"}),
}


def met_by(until: str) -> frozenset[str]:
    """The statuses that meet a cascade step's `until`."""
    return _MEETS[until]


class StepPlan:
    """One channel of a message. `met_by`: the statuses after which no further step is needed."""

    __slots__ = ("address", "channel", "exempt", "met_by", "moderated", "network", "template", "wait")

    def __init__(self, step: "CascadeStep", network: str | None) -> None:
        channel = CHANNELS.get(step.channel)  # an earlier bundle may name one that is no more: it reaches nobody
        self.channel: str = step.channel
        self.template: str = step.template
        self.network: str | None = step.network or network
        self.address: str = "" if channel is None else channel.address
        self.exempt: bool = channel is not None and channel.exempt
        self.moderated: bool = channel is not None and channel.moderated
        self.wait: Span | None = None if step.wait is None else span_of(step.wait)
        self.met_by: frozenset[str] = met_by(step.until or "delivered")


class MessagePlan:
    """An action that sends a message. `tried` is told of each step that is tried: for who measures coverage."""

    __slots__ = ("expires", "messaging_type", "name", "poll_id", "steps", "tried")

    def __init__(self, message: "Message") -> None:
        self.messaging_type: str = message.messaging_type
        self.expires: Span | None = None if message.expires is None else span_of(message.expires)
        self.name: str | None = message.as_
        self.poll_id: str | None = message.poll_id
        self.steps: list[StepPlan] = [StepPlan(step, message.network) for step in message.steps]
        self.tried: Callable[[int], None] | None = None


class TypePlan:
    """A type of messages: what consent it needs, and whether caps and quiet hours hold for it."""

    __slots__ = ("capped", "consent", "quiet")

    def __init__(self, consent: str, *, capped: bool, quiet: bool) -> None:
        self.consent = consent
        self.capped = capped
        self.quiet = quiet


class CapPlan:
    """A frequency cap; without `channel`, of all together."""

    __slots__ = ("channel", "defers", "max", "per")

    def __init__(self, channel: str | None, max_: int, per: Span, *, defers: bool) -> None:
        self.channel = channel
        self.max = max_
        self.per = per
        self.defers = defers


class QuietPlan:
    """Quiet hours: local times of day."""

    __slots__ = ("defers", "end", "start")

    def __init__(self, start: time, end: time, *, defers: bool) -> None:
        self.start = start
        self.end = end
        self.defers = defers


def type_plans(policies: "Policies") -> dict[str, TypePlan]:
    """The types of messages by their names."""
    return {
        name: TypePlan(kind.consent, capped=kind.caps != "exempt", quiet=kind.quiet_hours != "exempt")
        for name, kind in policies.messaging_types.items()
    }


def cap_plans(policies: "Policies") -> list[CapPlan]:
    """The caps, in the order in which they are checked."""
    return [
        CapPlan(cap.channel, cap.max, span_of(cap.per), defers=cap.then == "defer") for cap in policies.frequency_caps
    ]


def quiet_plan(policies: "Policies") -> QuietPlan | None:
    """The quiet hours, None without any."""
    hours = policies.quiet_hours
    return None if hours is None else QuietPlan(hours.from_, hours.to, defers=hours.then == "defer")
