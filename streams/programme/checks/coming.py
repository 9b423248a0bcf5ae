"""Whether an event can ever come to a campaign that waits for it, is cancelled or entered by it."""

from collections.abc import Iterable

from streams.engine.actions.poll import Poll
from streams.engine.actions.send import Send
from streams.engine.channels import CHANNELS
from streams.engine.conditions.nodes import AllOf, Compare
from streams.engine.matching import EventMatch
from streams.engine.triggers.event import EventTrigger
from streams.programme.definitions import Reading

_BY_CHANNELS = frozenset({"message_opened", "message_clicked", "message_complained"})


def why_never_comes(reading: Reading, match: EventMatch | EventTrigger) -> str | None:
    """Why no such event can ever be answered, None if one may; its type exists."""
    if match.event == "member_erased":
        return "an erased member's journeys have ended before anything else"
    if match.event in _BY_CHANNELS and not reading.broken and match.event not in reported(reading):
        return f"no channel that a campaign here sends over reports `{match.event}`"
    if match.event == "segment_left" and _segment_of(match) == "everyone":
        return "nobody leaves `everyone`"
    return None


def reported(reading: Reading) -> frozenset[str]:
    """The statuses that the channels of all campaigns report, looked for once."""
    if reading.reported is None:
        reading.reported = frozenset(_reported(reading))
    return reading.reported


def _reported(reading: Reading) -> set[str]:
    messages = (
        action
        for campaign, _ in reading.campaigns
        for _, action in campaign.walk_actions()
        if isinstance(action, Send | Poll)
    )
    return {status for message in messages for status in statuses_of(message)}


def statuses_of(message: Send | Poll) -> Iterable[str]:
    """The statuses that the channels of a message report."""
    return {status for step in message.steps if step.channel in CHANNELS for status in CHANNELS[step.channel].statuses}


def _segment_of(match: EventMatch | EventTrigger) -> str | None:
    tree = match.where.tree if match.where is not None else None
    parts = tree.parts if isinstance(tree, AllOf) else (tree,)
    found = [
        each.operand
        for each in parts
        if isinstance(each, Compare) and (each.name, each.operator.name) == ("segment", "eq")
    ]
    return str(found[0]) if found else None
