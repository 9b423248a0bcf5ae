"""Where a programme looks for events, and of which segments it must know when somebody enters or leaves."""

from collections.abc import Iterable, Iterator, Mapping

from streams.engine import rfm
from streams.engine.actions.branch import If
from streams.engine.actions.wait import Wait
from streams.engine.campaign import EVERYONE, Campaign, Counter, Segment
from streams.engine.conditions import Condition
from streams.engine.conditions.nodes import Compare
from streams.engine.matching import EventMatch
from streams.engine.triggers.event import EventTrigger
from streams.engine.triggers.segment_entered import SegmentEntered
from streams.engine.triggers.segment_left import SegmentLeft

SEGMENT_EVENTS = frozenset({"segment_entered", "segment_left"})
_DAYS_SINCE = frozenset(f"days_since.{event}" for event in SEGMENT_EVENTS)


def watched(
    campaigns: Iterable[Campaign],
    going_on: Iterable[Campaign],
    segments: Mapping[str, Segment],
    counters: Mapping[str, Counter],
) -> tuple[str, ...]:
    """The segments whose entering or leaving something looks at, by id.

    `campaigns` are in force; `going_on` are all versions that journeys may run, whose triggers start nothing any more.
    `everyone` is none of them unless it is named by a trigger: membership in it never changes.
    """
    found: set[str] = set()
    defined = segments.keys() - {EVERYONE.id}
    looking = {(each.id, each.version): each for each in (*campaigns, *going_on)}.values()
    for campaign in campaigns:
        for trigger in campaign.triggers:
            if isinstance(trigger, SegmentEntered | SegmentLeft):
                found.add(trigger.segment)
    for campaign in looking:
        for match in matches(campaign):
            if match.event in SEGMENT_EVENTS:
                found.update(defined, _rfm_segments(match))
    asked = [condition for campaign in looking for condition in conditions(campaign)]
    asked += [segment.where for segment in segments.values() if segment.where is not None]
    asked += [counter.where for counter in counters.values() if counter.where is not None]
    counted = any(counter.event in SEGMENT_EVENTS for counter in counters.values())
    if counted or any(not _DAYS_SINCE.isdisjoint(condition.names()) for condition in asked):
        found.update(defined)
    return tuple(sorted(found))


def _rfm_segments(match: EventMatch | EventTrigger) -> Iterator[str]:
    """The segments of RFM, which nobody defines, that it names."""
    for node in match.where.walk() if match.where is not None else ():
        if isinstance(node, Compare):
            operands = node.operand if isinstance(node.operand, list) else [node.operand]
            yield from (each for each in operands if isinstance(each, str) and rfm.parse(each) is not None)


def matches(campaign: Campaign) -> Iterable[EventMatch | EventTrigger]:
    """Every place of a campaign that looks for events of a type."""
    yield from (trigger for trigger in campaign.triggers if isinstance(trigger, EventTrigger))
    yield from campaign.cancel_on
    if campaign.goal is not None:
        yield campaign.goal
    for _, action in campaign.walk_actions():
        if isinstance(action, Wait) and action.for_ is not None:
            yield action.for_


def conditions(campaign: Campaign) -> Iterator[Condition]:
    """Every condition of a campaign."""
    if campaign.audience is not None:
        yield campaign.audience
    yield from (match.where for match in matches(campaign) if match.where is not None)
    yield from (action.if_ for _, action in campaign.walk_actions() if isinstance(action, If))
