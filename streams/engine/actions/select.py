"""`select`: go on only for a segment's members."""

from typing import ClassVar

from streams.engine.actions import Action
from streams.engine.values import Text


class Select(Action):
    """Go on only if the member is in the segment now; otherwise the journey ends."""

    kind: ClassVar[str] = "select"
    example: ClassVar[str] = "select: {segment: year-old}\n"

    segment: Text
