"""`select`: go on only for a segment's members."""

from typing import ClassVar

from typing_extensions import override

from streams.engine.actions import EXITS, Action, Result
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Text
from streams.engine.view import in_segment


class Select(Action):
    """Go on only if the member is in the segment now; otherwise the journey ends."""

    kind: ClassVar[str] = "select"
    example: ClassVar[str] = "select: {segment: year-old}\n"

    segment: Text
    """The segment's id."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        del journey
        return Result(step.next) if in_segment(handling, self.segment) else EXITS
