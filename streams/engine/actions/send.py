"""`send`: one message, or a cascade of channels for it."""

from functools import cached_property
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from streams.engine.actions import Action
from streams.engine.definition import Definition, invalid
from streams.engine.message_plans import MessagePlan
from streams.engine.values import Duration, Text


class CascadeStep(Definition):
    """One channel of a cascade. The next is tried when `until` hasn't come by `wait` after this one was sent."""

    channel: Text
    """The channel of this step."""
    template: Text
    """The template of this step."""
    network: Text | None = None
    """The social network, for `social` and `chat_bot`."""
    wait: Duration | None = None
    """How long to wait for `until` after sending."""
    until: Literal["sent", "delivered", "opened", "clicked"] | None = None
    """Which status makes the next steps needless."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.wait is None) != (self.until is None):
            raise invalid([(("wait",), "`wait` and `until` belong together")])
        return self


class Send(Action):
    """Send a message: one, or the first of a cascade's that reaches the member.

    It passes, in this order: consent, address, `expires`, frequency cap, quiet hours, rendering. What is put off is
    sent at the first permitted moment, after the same checks; whatever else stands in the way suppresses it with one
    reason. Either way the journey goes on at once.

    A cascade goes to the next step when `until` hasn't come in time, when a step is suppressed, or when it failed:
    `send: {cascade: [{channel: viber, template: come-back, wait: PT10M, until: delivered}, {channel: sms, template:
    come-back}]}`. `delivered` is also met by opened or clicked, `opened` by clicked.
    """

    kind: ClassVar[str] = "send"
    example: ClassVar[str] = """\
send: {channel: email, template: come-back, as: mail, messaging_type: marketing, expires: PT12H}
"""

    channel: Text | None = None
    """Where it is sent; see [channels](#channels)."""
    template: Text | None = None
    """The template's id."""
    as_: Text | None = Field(None, alias="as")
    """A name for the message, for a later `wait: {for: {of: …}}`."""
    messaging_type: Text = "marketing"
    """Which consent, quiet hours and caps apply: a type of the policies."""
    network: Text | None = None
    """The social network, for `social` and `chat_bot`."""
    expires: Duration | None = None
    """After which time it isn't sent any more, from the action on."""
    cascade: tuple[CascadeStep, ...] = ()
    """Channels to try one after the other, in place of `channel` and `template`."""

    @model_validator(mode="after")
    def _single_or_cascade(self) -> Self:
        if self.cascade:
            stray = [name for name in ("channel", "template", "network") if getattr(self, name) is not None]
            if stray:
                raise invalid([((name,), "stands in the steps of the `cascade`, not beside it") for name in stray])
            open_ended = [index for index, step in enumerate(self.cascade[:-1]) if step.wait is None]
            if open_ended:
                raise invalid(
                    [(("cascade", index), "needs `wait` and `until`: it isn't the last") for index in open_ended]
                )
            return self
        missing = [name for name in ("channel", "template") if getattr(self, name) is None]
        if missing:
            raise invalid([((name,), "is required (or a `cascade`)") for name in missing])
        return self

    @cached_property
    def steps(self) -> tuple[CascadeStep, ...]:
        """The channels to try, in order: one for a single message."""
        if self.cascade:
            return self.cascade
        assert self.channel is not None
        assert self.template is not None
        return (CascadeStep(channel=self.channel, template=self.template, network=self.network),)

    @cached_property
    def message(self) -> MessagePlan:
        """What it sends, as the engine runs it."""
        return MessagePlan(self)

    @property
    def poll_id(self) -> str | None:
        """None: a poll is sent by `poll`."""
        return None
