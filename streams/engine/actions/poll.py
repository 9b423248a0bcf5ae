"""`poll`: ask a poll's questions."""

from typing import ClassVar

from pydantic import Field

from streams.engine.actions import Action
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
