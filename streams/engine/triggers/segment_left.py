"""`segment_left`: the member leaves a segment."""

from typing import ClassVar

from streams.engine.conditions.writing import Test
from streams.engine.triggers import Trigger
from streams.engine.values import Text


class SegmentLeft(Trigger):
    """The member leaves the segment, within the handling of the event or tick that changed it."""

    kind: ClassVar[str] = "segment_left"
    sole: ClassVar[str | None] = "segment"
    example: ClassVar[str] = "segment_left: year-old\n"
    shown_given: ClassVar[str] = "- {type: segment_removed, occurred_at: 2026-05-02T12:00:00Z, segment: year-old}\n"

    segment: Text
    """The segment's id."""

    @property
    def event_type(self) -> str | None:
        """The derived event."""
        return "segment_left"

    @property
    def test(self) -> Test:
        """Whether it is this segment."""
        return lambda view: view.body.get("segment") == self.segment
