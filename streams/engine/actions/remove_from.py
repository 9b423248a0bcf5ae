"""`remove_from`: take the member off a segment's list."""

from typing import ClassVar

from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Text


class RemoveFrom(Action):
    """Take the member out of the segment, whatever list or condition say, until `add_to`, upload or SQL ends it."""

    kind: ClassVar[str] = "remove_from"
    sole: ClassVar[str | None] = "segment"
    example: ClassVar[str] = "remove_from: year-old\n"
    shown_before: ClassVar[str] = "- add_to: year-old\n"
    shown_after: ClassVar[str] = "- select: {segment: year-old}\n- send: {channel: cashier, template: hello}\n"

    segment: Text
    """The segment's id."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        del journey
        assigned = handling.assign(self.segment, inside=False)
        return Result(step.next) if assigned else Result(limit="assigned")
