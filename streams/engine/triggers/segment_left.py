"""`segment_left`: the member leaves a segment."""

from typing import ClassVar

from streams.engine.triggers import Trigger
from streams.engine.values import Text
from streams.engine.view import View


class SegmentLeft(Trigger):
    """The member leaves the segment, within the handling of the event or tick that changed it."""

    kind: ClassVar[str] = "segment_left"
    sole: ClassVar[str | None] = "segment"
    example: ClassVar[str] = "segment_left: year-old\n"

    segment: Text

    @property
    def event_type(self) -> str | None:
        """The derived event."""
        return "segment_left"

    def matches(self, view: View) -> bool:
        """Whether it is this segment."""
        return view.body.get("segment") == self.segment
