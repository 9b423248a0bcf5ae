"""A programme as the engine uses it: immutable, and indexed so that an event costs what matches it, not what exists.

It is made of the bundles that were applied, the last of which is in force. The earlier ones supply what running
journeys still need: the versions of campaigns that they entered with, and the templates and polls of these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self, TypeVar

from streams.engine.campaign import EVERYONE, Campaign, Counter, Policies, Poll, Segment
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.engine.triggers.event import EventTrigger
from streams.engine.triggers.segment_entered import SegmentEntered
from streams.engine.triggers.segment_left import SegmentLeft

Triggered = tuple[tuple[Campaign, Trigger], ...]
_Defined = TypeVar("_Defined", Template, Poll)


@dataclass(frozen=True, kw_only=True, slots=True)
class Definitions:
    """What one bundle defines."""

    campaigns: tuple[Campaign, ...] = ()
    policies: Policies = field(default_factory=Policies)
    counters: Mapping[str, Counter] = MappingProxyType({})
    segments: Mapping[str, Segment] = MappingProxyType({})
    templates: Mapping[str, Template] = MappingProxyType({})
    polls: Mapping[str, Poll] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """Everything in force, and indexes over it.

    `campaigns` are those of the last bundle, whatever their status, by descending priority, then id.
    `by_trigger_event`: who is triggered by events of a type; `segment_entered` and `segment_left` triggers stand under
    those types, check the segment. `by_trigger_kind`: who has triggers of a kind (`date`, `cart_abandoned`, `bonus`,
    `schedule`, `now`, …). Both keep the campaigns' order and, within one, the order of its triggers.
    `counters_by_event`: name and counter. `segments` has `everyone`; `conditional_segments` are those with a `where`, each
    after the segments that it asks for. Templates and polls fall back to earlier bundles.
    """

    campaigns: tuple[Campaign, ...]
    policies: Policies
    counters: Mapping[str, Counter]
    segments: Mapping[str, Segment]
    templates: Mapping[str, Template]
    polls: Mapping[str, Poll]
    by_trigger_event: Mapping[str, Triggered]
    by_trigger_kind: Mapping[str, Triggered]
    counters_by_event: Mapping[str, tuple[tuple[str, Counter], ...]]
    conditional_segments: tuple[Segment, ...]
    _versions: Mapping[tuple[str, int], Campaign]
    _in_force: Mapping[str, Campaign]

    def definition(self, campaign_id: str, version: int) -> Campaign | None:
        """A campaign's version, also of an earlier bundle; None if no bundle has it."""
        return self._versions.get((campaign_id, version))

    def campaign(self, campaign_id: str) -> Campaign | None:
        """The campaign that is in force under this id."""
        return self._in_force.get(campaign_id)

    @classmethod
    def compile(cls, definitions: Sequence[Definitions]) -> Self:
        """The programme of these bundles' definitions, oldest first; the last is in force."""
        last = definitions[-1]
        campaigns = tuple(sorted(last.campaigns, key=lambda campaign: (-campaign.priority, campaign.id)))
        segments = {EVERYONE.id: EVERYONE, **last.segments}
        by_event: dict[str, list[tuple[Campaign, Trigger]]] = {}
        by_kind: dict[str, list[tuple[Campaign, Trigger]]] = {}
        for campaign in campaigns:
            for trigger in campaign.triggers:
                by_kind.setdefault(trigger.kind, []).append((campaign, trigger))
                event = trigger_event(trigger)
                if event is not None:
                    by_event.setdefault(event, []).append((campaign, trigger))
        counters: dict[str, list[tuple[str, Counter]]] = {}
        for name, counter in last.counters.items():
            counters.setdefault(counter.event, []).append((name, counter))
        return cls(
            campaigns=campaigns,
            policies=last.policies,
            counters=MappingProxyType(dict(last.counters)),
            segments=MappingProxyType(segments),
            templates=_newest(each.templates for each in definitions),
            polls=_newest(each.polls for each in definitions),
            by_trigger_event=_frozen(by_event),
            by_trigger_kind=_frozen(by_kind),
            counters_by_event=_frozen(counters),
            conditional_segments=tuple(in_order_of_need(segments)),
            _versions=MappingProxyType(
                {(each.id, each.version): each for bundle in definitions for each in bundle.campaigns}
            ),
            _in_force=MappingProxyType({campaign.id: campaign for campaign in campaigns}),
        )


def trigger_event(trigger: Trigger) -> str | None:
    """The type of events that a trigger looks at, None for those that timers make."""
    if isinstance(trigger, EventTrigger):
        return trigger.event
    return trigger.kind if isinstance(trigger, SegmentEntered | SegmentLeft) else None


def in_order_of_need(segments: Mapping[str, Segment]) -> list[Segment]:
    """The segments with a condition, each after those that its condition asks for; by id where that leaves a choice."""
    done: dict[str, Segment] = {}
    under_way: set[str] = set()

    def visit(segment: Segment) -> None:
        if segment.id in done or segment.id in under_way:
            return
        under_way.add(segment.id)
        for other in sorted(needs(segment)):
            if other in segments:
                visit(segments[other])
        done[segment.id] = segment

    for segment_id in sorted(segments):
        visit(segments[segment_id])
    return [segment for segment in done.values() if segment.where is not None]


def needs(segment: Segment) -> set[str]:
    """The segments that a segment's condition asks for."""
    names = segment.where.names() if segment.where is not None else frozenset[str]()
    return {name.removeprefix("segment:") for name in names if name.startswith("segment:")}


_Item = TypeVar("_Item")


def _frozen(lists: Mapping[str, list[_Item]]) -> Mapping[str, tuple[_Item, ...]]:
    return MappingProxyType({key: tuple(items) for key, items in lists.items()})


def _newest(bundles: Iterable[Mapping[str, _Defined]]) -> Mapping[str, _Defined]:
    merged: dict[str, _Defined] = {}
    for bundle in bundles:
        merged.update(bundle)
    return MappingProxyType(merged)
