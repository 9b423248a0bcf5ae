"""What of a campaign its tests have reached: every action by its path, and every way that an action can go on.

The engine knows nothing of this: each step of the campaign under test is put in a wrapper that notes what runs through
it. Ways (branches) are `then` and `else` of an `if` (also an `else` that isn't written), the branches of a `split` that
do something and `none` where one can get past them, `answered` and `timed_out` of a wait for an event, `member` and
`other` of a `select`, and the steps of a cascade.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from streams.engine.actions import Action, Message, Result
from streams.engine.actions.branch import If
from streams.engine.actions.select import Select
from streams.engine.actions.send import CascadeStep, Send
from streams.engine.actions.split import Split
from streams.engine.actions.wait import Wait
from streams.engine.campaign import Campaign
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.state import Journey

_ALL = 100


@dataclass(frozen=True, slots=True)
class Coverage:
    """The places of one campaign, and which of them were reached."""

    campaign: str
    actions: tuple[str, ...]
    branches: tuple[str, ...]
    reached: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, campaign: Campaign) -> "Coverage":
        """All its places, none of them reached."""
        actions = tuple(campaign.walk_actions())
        return cls(
            campaign=campaign.id,
            actions=tuple(path for path, _ in actions),
            branches=tuple(f"{path}.{way}" for path, action in actions for way in _ways(action)),
        )

    def watch(self, campaign: Campaign) -> None:
        """Note from now on what is reached in this copy of the campaign, which is for tests alone."""
        for path, step in campaign.script.items():
            watched = cast("Action", _Watched(step.action, path, self.reached))
            campaign.script[path] = replace(step, action=watched)

    @property
    def missed(self) -> list[str]:
        """The places that weren't reached, actions first."""
        return [place for place in (*self.actions, *self.branches) if place not in self.reached]

    def count(self, places: tuple[str, ...]) -> int:
        """How many of these were reached."""
        return sum(place in self.reached for place in places)


def percent(coverages: list[Coverage]) -> Decimal:
    """The share of all actions and branches that was reached, cut (not rounded) to a tenth; 100 of none."""
    places = sum(len(each.actions) + len(each.branches) for each in coverages)
    reached = sum(each.count(each.actions) + each.count(each.branches) for each in coverages)
    return Decimal(reached * 1000 // places) / 10 if places else Decimal(_ALL)


def _ways(action: Action) -> Iterator[str]:
    match action:
        case If() if action.then or action.else_:
            yield from ("then", "else")
        case Split():
            yield from (f"split[{index}]" for index, branch in enumerate(action.branches) if branch.actions)
            if any(not branch.actions for branch in action.branches) or _share(action) < _ALL:
                yield "split[none]"
        case Wait() if action.for_ is not None:
            yield "answered"
            if action.timeout is not None:
                yield "timed_out"
        case Select():
            yield from ("member", "other")
        case Send() if action.cascade:
            yield from (f"cascade[{index}]" for index in range(len(action.steps)))
        case _:
            return


def _share(action: Split) -> Decimal:
    return sum((branch.percent for branch in action.branches), Decimal(0))


def _way(action: Action, path: str, result: Result) -> str | None:
    """Which way an action went that decides at once."""
    inside = (result.path or "").removeprefix(f"{path}.") if (result.path or "").startswith(f"{path}.") else ""
    match action:
        case If():
            taken, other = ("then", "else") if action.then else ("else", "then")
            return taken if inside.startswith(f"{taken}[") else other
        case Split():
            return inside.split(".", maxsplit=1)[0] or "split[none]"
        case Select():
            return "other" if result.ends is not None else "member"
        case _:
            return None


class _Watched:
    """An action in its wrapper; whatever else is asked of it, the action answers."""

    def __init__(self, action: Action, path: str, reached: set[str]) -> None:
        self._action = action
        self._path = path
        self._reached = reached

    def __getattr__(self, name: str) -> Any:
        return getattr(self._action, name)

    @property
    def steps(self) -> "Sequence[CascadeStep] | _WatchedSteps":
        """The steps of a message, those of a cascade noted when they are tried."""
        steps = cast("Message", self._action).steps
        cascade = isinstance(self._action, Send) and self._action.cascade
        return _WatchedSteps(steps, self._path, self._reached) if cascade else steps

    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        """Run the action, as the wrapper: a message hands itself on to be decided."""
        self._reached.add(self._path)
        result = type(self._action).run(cast("Any", self), handling, journey, step)
        way = _way(self._action, self._path, result)
        if way is not None:
            self._reached.add(f"{self._path}.{way}")
        return result

    def after_timer(self, step: Step) -> str | None:
        """Note that the wait ended by its timer."""
        self._reached.add(f"{self._path}.timed_out")
        return self._action.after_timer(step)

    def is_answered(self, handling: Handling, journey: Journey, event: Event) -> bool:
        """Note that the wait ended by its event, if it did."""
        answered = self._action.is_answered(handling, journey, event)
        if answered:
            self._reached.add(f"{self._path}.answered")
        return answered


class _WatchedSteps:
    """The steps of a cascade; looking one up is trying it."""

    def __init__(self, steps: Sequence[CascadeStep], path: str, reached: set[str]) -> None:
        self._steps = steps
        self._path = path
        self._reached = reached

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: int) -> CascadeStep:
        self._reached.add(f"{self._path}.cascade[{index}]")
        return self._steps[index]
