"""A campaign's actions as a flat map from path to step: where a journey stands is one string.

Contract §5: `action` is the path of the step, `actions[2].then[0]`. Each step knows its successor, so a journey resumes
after any wait with one look-up, in whatever branch it stands.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from streams.engine.actions import Action, Result
    from streams.engine.message_plans import MessagePlan
    from streams.engine.waiting import Waiting

FIRST: Final = "actions[0]"


class Step:
    """One action at its place; `next` is the path that follows it, None at the end.

    What most steps do is at hand without asking the action: `waiting` where it waits, `message` where it sends.
    `watched` is for who measures coverage: told that it runs (""), what it comes to, or how its wait ends.
    """

    __slots__ = ("action", "message", "next", "path", "waiting", "watched")

    def __init__(self, path: str, action: "Action", next_: str | None) -> None:
        self.path = path
        self.action = action
        self.next = next_
        self.waiting: Waiting | None = action.waiting
        self.message: MessagePlan | None = action.message
        self.watched: Callable[[str | Result], None] | None = None


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
