"""`segment_entered`: the member comes into a segment."""

from typing import ClassVar

from streams.engine.conditions.writing import Test
from streams.engine.triggers import Trigger
from streams.engine.values import Text


class SegmentEntered(Trigger):
    """The member comes into the segment, within the handling of the event or tick that changed it."""

    kind: ClassVar[str] = "segment_entered"
    sole: ClassVar[str | None] = "segment"
    example: ClassVar[str] = "segment_entered: year-old\n"
    shown_given: ClassVar[str] = "[]"

    segment: Text
    """The segment's id."""

    @property
    def event_type(self) -> str | None:
        """The derived event."""
        return "segment_entered"

    @property
    def test(self) -> Test:
        """Whether it is this segment."""
        return lambda view: view.body.get("segment") == self.segment
