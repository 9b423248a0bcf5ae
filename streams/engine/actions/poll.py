"""`poll`: ask a poll's questions."""

from functools import cached_property
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.actions.send import CascadeStep
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.sending import start
from streams.engine.state import Journey
from streams.engine.values import Duration, Text


class Poll(Action):
    """Send a message with a poll's questions (`poll` in its template); the answers come as `poll_answered`."""

    kind: ClassVar[str] = "poll"
    example: ClassVar[str] = "poll: {poll: after-purchase, channel: sms, template: how-was-it}\n"

    poll: Text
    channel: Text
    template: Text
    as_: Text | None = Field(None, alias="as")
    messaging_type: Text = "marketing"
    network: Text | None = None
    expires: Duration | None = None

    @cached_property
    def steps(self) -> tuple[CascadeStep, ...]:
        """The one channel it is sent over."""
        return (CascadeStep(channel=self.channel, template=self.template, network=self.network),)

    @property
    def poll_id(self) -> str | None:
        """The poll whose questions the template may name."""
        return self.poll

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        start(handling, journey, self, step.path)
        return Result(step.next)
