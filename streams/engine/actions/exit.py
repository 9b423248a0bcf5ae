"""`exit`: end the journey."""

from typing import ClassVar

from streams.engine.actions import Action
from streams.engine.values import Text


class Exit(Action):
    """End the journey wherever it stands; what is deferred or cascading is still decided."""

    kind: ClassVar[str] = "exit"
    sole: ClassVar[str | None] = "reason"
    example: ClassVar[str] = "exit: bought\n"

    reason: Text
