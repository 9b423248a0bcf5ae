"""`add_to`: put the member on a segment's list."""

from typing import ClassVar

from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Text


class AddTo(Action):
    """Put the member into the segment, whatever list or condition say, until `remove_from`, upload or SQL ends it."""

    kind: ClassVar[str] = "add_to"
    sole: ClassVar[str | None] = "segment"
    example: ClassVar[str] = "add_to: year-old\n"
    shown_after: ClassVar[str] = "- select: {segment: year-old}\n- send: {channel: cashier, template: hello}\n"

    segment: Text
    """The segment's id."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        del journey
        assigned = handling.assign(self.segment, inside=True)
        return Result(step.next) if assigned else Result(limit="assigned")
