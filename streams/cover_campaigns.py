"""What of a campaign its tests have reached: every action by its path, and every way that an action can go on.

The steps of the campaign under test are watched: each tells when it runs, which way it goes and how its wait ends.
Ways (branches) are `then` and `else` of an `if` (also an `else` that isn't written), the branches of a `split` that
do something and `none` where one can get past them, `answered` and `timed_out` of a wait for an event, `member` and
`other` of a `select`, and the steps of a cascade.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from streams.engine.actions import Action, Result
from streams.engine.actions.branch import If
from streams.engine.actions.select import Select
from streams.engine.actions.send import Send
from streams.engine.actions.split import Split
from streams.engine.actions.wait import Wait
from streams.engine.campaign import Campaign
from streams.engine.script import Step

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
        for step in campaign.script.values():
            step.watched = _note(step, self.reached)
            if step.message is not None and len(step.message.steps) > 1:
                step.message.tried = _note_tried(step.path, self.reached)

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


def _note(step: Step, reached: set[str]) -> Callable[[str | Result], None]:
    """A note of each time that the step runs, and which way it goes."""

    def note(what: str | Result) -> None:
        way = what if isinstance(what, str) else _way(step.action, step.path, what)
        if way is not None and (way != "timed_out" or step.waiting is not None):
            reached.add(f"{step.path}.{way}" if way else step.path)

    return note


def _note_tried(path: str, reached: set[str]) -> Callable[[int], None]:
    """A note of each step of a cascade that is tried."""
    return lambda index: reached.add(f"{path}.cascade[{index}]")
