"""`exit`: end the journey."""

from typing import ClassVar

from typing_extensions import override

from streams.engine.actions import EXITS, Action, Result
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Text


class Exit(Action):
    """End the journey wherever it stands; what is deferred or cascading is still decided."""

    kind: ClassVar[str] = "exit"
    sole: ClassVar[str | None] = "reason"
    example: ClassVar[str] = "exit: bought\n"
    shown_after: ClassVar[str] = "\n"

    reason: Text
    """Why, for whoever reads the campaign; the decision says `exited`."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        del handling, journey, step
        return EXITS
