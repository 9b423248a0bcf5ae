"""`poll`: ask a poll's questions."""

from functools import cached_property
from typing import ClassVar

from pydantic import Field

from streams.engine.actions import Action
from streams.engine.actions.send import CascadeStep
from streams.engine.message_plans import MessagePlan
from streams.engine.values import Duration, Text


class Poll(Action):
    """Send a message with a poll's questions (`poll` in its template); the answers come as `poll_answered`."""

    kind: ClassVar[str] = "poll"
    example: ClassVar[str] = "poll: {poll: after-purchase, channel: sms, template: how-was-it}\n"

    poll: Text
    """The poll's id."""
    channel: Text
    """Where it is asked."""
    template: Text
    """The template's id; `poll.questions` has the questions."""
    as_: Text | None = Field(None, alias="as")
    """A name for the message, for a later `wait: {for: {of: …}}`."""
    messaging_type: Text = "marketing"
    """Which consent, quiet hours and caps apply: a type of the policies."""
    network: Text | None = None
    """The social network, for `social` and `chat_bot`."""
    expires: Duration | None = None
    """After which time it isn't sent any more, from the action on."""

    @cached_property
    def steps(self) -> tuple[CascadeStep, ...]:
        """The one channel it is sent over."""
        return (CascadeStep(channel=self.channel, template=self.template, network=self.network),)

    @cached_property
    def message(self) -> MessagePlan:
        """What it sends, as the engine runs it."""
        return MessagePlan(self)

    @property
    def poll_id(self) -> str | None:
        """The poll whose questions the template may name."""
        return self.poll
