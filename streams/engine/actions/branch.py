"""`if`: go one way or the other."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.conditions import Condition
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.view import View


class If(Action):
    """Do `then` if the condition holds now, otherwise `else`; then go on. Body fields are those of the entry event."""

    kind: ClassVar[str] = "if"
    beside: ClassVar[bool] = True
    example: ClassVar[str] = """\
if: {member.purchases.count: {ge: 10}}
then: [{award: {amount: 500, currency: points}}]
else: [{award: {amount: 100, currency: points}}]
"""

    if_: Condition = Field(alias="if")
    """What must hold now."""
    then: tuple[Action, ...]
    """What is done if it holds."""
    else_: tuple[Action, ...] = Field((), alias="else")
    """What is done otherwise; without it, nothing."""

    @override
    def blocks(self) -> Iterator[tuple[str, tuple[Action, ...]]]:
        yield ".then", self.then
        if self.else_:
            yield ".else", self.else_

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        holds = self.if_.holds(View(handling, journey=journey))
        block, actions = ("then", self.then) if holds else ("else", self.else_)
        return Result(f"{step.path}.{block}[0]" if actions else step.next)
