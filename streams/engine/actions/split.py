"""`split`: a stable share of members to each branch."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from typing_extensions import override

from streams.engine.actions import Action, Result
from streams.engine.definition import Definition, invalid
from streams.engine.handling import Handling
from streams.engine.ids import share
from streams.engine.script import Step
from streams.engine.state import Journey
from streams.engine.values import Percent

_WHOLE = 100


class Branch(Definition):
    """A share of the members, and what it does."""

    percent: Percent
    """The share of members, in percent; all shares together are at most 100."""
    actions: tuple[Action, ...] = ()
    """What they do."""


class Split(Action):
    """Each member goes to one branch, always the same, by a stable hash; those whom no branch takes go on at once."""

    kind: ClassVar[str] = "split"
    sole: ClassVar[str | None] = "branches"
    example: ClassVar[str] = """\
split:
  - {percent: 50, actions: [{send: {channel: sms, template: come-back}}]}
  - {percent: 50, actions: [{send: {channel: email, template: come-back}}]}
"""

    branches: Annotated[tuple[Branch, ...], Field(min_length=1)]
    """The shares."""

    @model_validator(mode="after")
    def _at_most_all(self) -> Self:
        total = sum((branch.percent for branch in self.branches), Decimal(0))
        if total > _WHOLE:
            raise invalid([(("branches",), f"the percentages add up to {total}, more than 100")])
        return self

    @override
    def blocks(self) -> Iterator[tuple[str, tuple[Action, ...]]]:
        for index, branch in enumerate(self.branches):
            yield f".split[{index}].actions", branch.actions

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        member_id = journey.member_id or handling.state.key
        where = share(f"{journey.campaign}/{step.path}/{member_id}")
        upto = Decimal(0)
        for index, branch in enumerate(self.branches):
            upto += branch.percent
            if where < upto:
                return Result(f"{step.path}.split[{index}].actions[0]" if branch.actions else step.next)
        return Result(step.next)
