"""A campaign's actions as a flat map from path to step: where a journey stands is one string.

Contract §5: `action` is the path of the step, `actions[2].then[0]`. Each step knows its successor, so a journey resumes
after any wait with one look-up, in whatever branch it stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.engine.actions import Action

FIRST = "actions[0]"


@dataclass(frozen=True, slots=True)
class Step:
    """One action at its place; `next` is the path that follows it, None at the end."""

    path: str
    action: "Action"
    next: str | None


Script = dict[str, Step]


def flatten(actions: "tuple[Action, ...]") -> Script:
    """Every action of a campaign by its path."""
    return {step.path: step for step in _steps("actions", actions, None)}


def _steps(prefix: str, actions: "tuple[Action, ...]", after: str | None) -> Iterator[Step]:
    for index, action in enumerate(actions):
        path = f"{prefix}[{index}]"
        follower = f"{prefix}[{index + 1}]" if index + 1 < len(actions) else after
        yield Step(path, action, follower)
        for name, inner in action.blocks():
            yield from _steps(f"{path}{name}", inner, follower)
