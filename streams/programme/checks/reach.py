"""Whether a journey can get to an action, and a wait to its end."""

from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from streams.engine.actions import Action
from streams.engine.actions.branch import If
from streams.engine.actions.exit import Exit
from streams.engine.actions.poll import Poll
from streams.engine.actions.send import Send
from streams.engine.actions.split import Split
from streams.engine.actions.wait import Wait
from streams.engine.campaign import Campaign
from streams.engine.conditions.nodes import AllOf
from streams.engine.definition import Loc
from streams.engine.triggers.schedule import ScheduleTrigger
from streams.engine.values import moment_ms
from streams.programme.definitions import Reading, Source
from streams.programme.problems import Problem
from streams.programme.uses import may_be_deferred

_ALL = Decimal(100)
_ZONES_MS = 14 * 3_600_000
"""No zone is further from UTC."""


def check_reach(source: Source, path: Loc, actions: tuple[Action, ...]) -> Iterator[Problem]:
    """What of a list of actions is never done: what follows an end, and ways that nobody goes."""
    for index, action in enumerate(actions[:-1]):
        if _always_exits(action):
            yield source.problem(
                (*path, index + 1),
                "can never be reached: what stands before it always ends the journey",
                severity="warning",
            )
            break
    for index, action in enumerate(actions):
        at = (*path, index)
        if isinstance(action, If) and action.else_ and action.if_.tree == AllOf((), ()):
            message = "can never be reached: a condition without tests always holds"
            yield source.problem((*at, "else"), message, severity="warning")
        elif isinstance(action, Split):
            for number, branch in enumerate(action.branches):
                if branch.percent == 0 and branch.actions:
                    where = (*at, "split", number, "percent")
                    yield source.problem(where, "can never be reached: it is nobody's share", severity="warning")


def check_entry(campaign: Campaign, source: Source, zone: str) -> Iterator[Problem]:
    """That somebody can enter at all."""
    if campaign.holdout == _ALL:
        yield source.problem(
            ("holdout",), "can never be reached: everyone is held out, so nobody enters", severity="warning"
        )
    active = campaign.active
    if active is None:
        return
    for index, trigger in enumerate(campaign.triggers):
        if not isinstance(trigger, ScheduleTrigger) or trigger.at is None:
            continue
        at = moment_ms(trigger.at.isoformat(), _zone(trigger, zone), end_of_day=False)
        spread_ms = _ZONES_MS if trigger.zone == "member" else 0
        early = active.from_ is not None and at + spread_ms < active.from_
        if early or (active.until is not None and at - spread_ms >= active.until):
            message = f"can never be reached: it lies {'before' if early else 'after'} the time that `active` states"
            yield source.problem(("trigger", index, "schedule", "at"), message, severity="warning")


def check_ends(reading: Reading, campaign: Campaign, source: Source) -> Iterator[Problem]:
    """That what cancels journeys, or ends them by a goal, can find one that is under way."""
    if any(_takes_time(reading, action) for _, action in campaign.walk_actions()):
        return
    why = "no journey of the campaign takes time: it has no wait, and no message of it is put off"
    for index, _ in enumerate(campaign.cancel_on):
        yield source.problem(("cancel_on", index), f"can never cancel: {why}", severity="warning")
    if campaign.goal is not None and campaign.goal.ends:
        yield source.problem(("goal", "ends"), f"can never end a journey: {why}", severity="warning")


def goes_before(earlier: str, later: str) -> bool:
    """Whether a journey that comes to the action at `later` may have done the one at `earlier`."""
    first, second = _steps(earlier), _steps(later)
    for one, other in zip(first, second, strict=False):
        if one == other:
            continue
        same_list = one[0] == other[0]
        return same_list and one[1] < other[1]
    return len(first) < len(second)


def _steps(path: str) -> list[tuple[str, int]]:
    """`actions[2].then[0]` as (`actions`, 2), (`then`, 0); branches of a split are lists of their own.

    Paths of the YAML have the key between an action and what is in it, `actions[2].wait.on_timeout[0]`: it is left out.
    """
    steps: list[tuple[str, int]] = []
    branch = ""
    for part in path.split("."):
        name, _, index = part.rstrip("]").partition("[")
        if name == "split":
            branch = part
            continue
        if not index:
            continue
        steps.append((branch + name, int(index)))
        branch = ""
    return steps


def _takes_time(reading: Reading, action: Action) -> bool:
    if isinstance(action, Send | Poll):
        policies = reading.policies
        put_off = any(may_be_deferred(policies, step.channel, action.messaging_type) for step in action.steps)
        return put_off or len(action.steps) > 1
    return isinstance(action, Wait)


def _zone(trigger: ScheduleTrigger, default: str) -> ZoneInfo:
    return ZoneInfo("UTC" if trigger.zone == "member" else trigger.zone or default)


def _always_exits(action: Action) -> bool:
    if isinstance(action, If):
        return _ends(action.then) and _ends(action.else_)
    if isinstance(action, Split):
        whole = sum((branch.percent for branch in action.branches), Decimal(0)) == _ALL
        return whole and all(_ends(branch.actions) for branch in action.branches if branch.percent)
    return isinstance(action, Exit)


def _ends(actions: tuple[Action, ...]) -> bool:
    return any(_always_exits(action) for action in actions)
