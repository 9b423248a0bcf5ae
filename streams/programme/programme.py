"""A programme as the engine uses it: immutable, and indexed so that an event costs what matches it, not what exists.

It is made of the bundles that were applied, the last of which is in force. The earlier ones supply what running
journeys still need: the versions of campaigns that they entered with, and the templates and polls of these.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self, TypeVar
from zoneinfo import ZoneInfo

from streams.engine.actions.branch import If
from streams.engine.actions.poll import Poll as PollAction
from streams.engine.actions.send import Send
from streams.engine.actions.webhook import Webhook
from streams.engine.campaign import EVERYONE, Campaign, Counter, Policies, Poll, Segment
from streams.engine.conditions.writing import Test
from streams.engine.liquid_text import strings_names
from streams.engine.plans import ProgrammePlan
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.engine.triggers.bonus import BonusTrigger
from streams.engine.triggers.cart_abandoned import CartAbandoned
from streams.engine.triggers.date import DateTrigger
from streams.engine.triggers.now import NowTrigger
from streams.engine.triggers.schedule import ScheduleTrigger
from streams.programme.turning import Turning, turning
from streams.programme.versions import running_versions
from streams.programme.watching import matches, watched

T = TypeVar("T")
Timed = tuple[tuple[Campaign, int, T], ...]
DAY_MS = 86_400_000
SEGMENT_EVENTS = frozenset({"segment_entered", "segment_left"})
Triggered = tuple[tuple[Campaign, Trigger], ...]
_Defined = TypeVar("_Defined", Template, Poll, Segment)


@dataclass(frozen=True, kw_only=True, slots=True)
class Definitions:
    """What one bundle defines."""

    campaigns: tuple[Campaign, ...] = ()
    policies: Policies = field(default_factory=Policies)
    counters: Mapping[str, Counter] = field(default_factory=dict)
    segments: Mapping[str, Segment] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    polls: Mapping[str, Poll] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Programme:
    """Everything in force, and indexes over it.

    `campaigns` are those of the last bundle, whatever their status, by descending priority, then id.
    `by_trigger_event`: who is triggered by events of a type, and the test that the event must pass (None: none); for
    `segment_entered` and `segment_left` that of the segment. `by_trigger_kind`: who has triggers of a kind (`date`,
    `cart_abandoned`, `bonus`, `schedule`, `now`, …). Both keep the campaigns' order and, within one, the order of its
    triggers.
    `date_triggers` and the like: campaign, place of the trigger in it, trigger. `counters_by_event`: name and
    counter. `segments` has `everyone`; `conditional_segments` are those with a `where`, each after the segments that
    it asks for; `watched_segments` those whose entering or leaving something looks at, earlier versions that run
    on among it. `caps_kept_ms`: how long a sent message can
    still matter to a cap. `zone`: the programme's. Templates and polls fall back to earlier bundles; so do segments
    where a running journey of an earlier version asks for one (`former_segments`), but nobody enters or leaves those
    any more.
    """

    campaigns: tuple[Campaign, ...]
    policies: Policies
    counters: Mapping[str, Counter]
    segments: Mapping[str, Segment]
    former_segments: Mapping[str, Segment]
    templates: Mapping[str, Template]
    polls: Mapping[str, Poll]
    by_trigger_event: Mapping[str, tuple[tuple[Campaign, Test | None], ...]]
    by_trigger_kind: Mapping[str, Triggered]
    counters_by_event: Mapping[str, tuple[tuple[str, Counter], ...]]
    conditional_segments: tuple[Segment, ...]
    date_triggers: Timed[DateTrigger]
    cart_triggers: Timed[CartAbandoned]
    bonus_triggers: Timed[BonusTrigger]
    schedule_triggers: Timed[ScheduleTrigger]
    mailings_now: tuple[Campaign, ...]
    watched_segments: tuple[str, ...]
    turning: tuple[Turning, ...]
    caps_kept_ms: int
    number: int
    zone: ZoneInfo
    _versions: Mapping[tuple[str, int], Campaign]
    _in_force: Mapping[str, Campaign]
    plan: ProgrammePlan = field(init=False, repr=False, compare=False)
    """What the engine runs of it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "plan", ProgrammePlan(self))

    def definition(self, campaign_id: str, version: int) -> Campaign | None:
        """A campaign's version, also of an earlier bundle; None if no bundle has it."""
        return self._versions.get((campaign_id, version))

    def current(self, campaign_id: str) -> Campaign | None:
        """The campaign that is in force under this id."""
        return self._in_force.get(campaign_id)

    def known(self) -> Iterable[Campaign]:
        """Every version of every campaign that a journey may run."""
        return self._versions.values()

    @classmethod
    def compile(cls, definitions: Sequence[Definitions], number: int | None = None) -> Self:
        """The programme of these bundles' definitions, oldest first; the last is in force.

        `number` is its number in the log, by default that of the bundles.
        """
        last = definitions[-1]
        campaigns = tuple(sorted(last.campaigns, key=lambda campaign: (-campaign.priority, campaign.id)))
        segments = {EVERYONE.id: EVERYONE, **last.segments}
        by_event: dict[str, list[tuple[Campaign, Test | None]]] = {}
        by_kind: dict[str, list[tuple[Campaign, Trigger]]] = {}
        for campaign in campaigns:
            for trigger in campaign.triggers:
                by_kind.setdefault(trigger.kind, []).append((campaign, trigger))
                event = trigger.event_type
                if event is not None:
                    by_event.setdefault(event, []).append((campaign, trigger.test))
        counters: dict[str, list[tuple[str, Counter]]] = {}
        for name, counter in last.counters.items():
            counters.setdefault(counter.event, []).append((name, counter))
        versions = {(each.id, each.version): each for bundle in definitions for each in bundle.campaigns}
        running = running_versions([bundle.campaigns for bundle in definitions])
        going_on = [versions[name, version] for name, numbers in running.items() for version in sorted(numbers)]
        looked_at = watched(campaigns, going_on, segments, last.counters)
        templates = _newest(each.templates for each in definitions)
        for campaign in campaigns:
            campaign.keep_records(named_records(campaign, templates))
        return cls(
            campaigns=campaigns,
            policies=last.policies,
            counters=MappingProxyType(dict(last.counters)),
            segments=MappingProxyType(segments),
            former_segments=_newest(each.segments for each in definitions[:-1]),
            templates=templates,
            polls=_newest(each.polls for each in definitions),
            by_trigger_event=_frozen(by_event),
            by_trigger_kind=_frozen(by_kind),
            counters_by_event=_frozen(counters),
            conditional_segments=tuple(in_order_of_need(segments)),
            date_triggers=_timed(campaigns, DateTrigger),
            cart_triggers=_timed(campaigns, CartAbandoned),
            bonus_triggers=_timed(campaigns, BonusTrigger),
            schedule_triggers=_timed(campaigns, ScheduleTrigger),
            mailings_now=tuple(campaign for campaign, _, _ in _timed(campaigns, NowTrigger)),
            watched_segments=looked_at,
            turning=turning(looked_at, segments),
            caps_kept_ms=_caps_kept_ms(last.policies),
            number=len(definitions) if number is None else number,
            zone=ZoneInfo(last.policies.default_time_zone),
            _versions=MappingProxyType(versions),
            _in_force=MappingProxyType({campaign.id: campaign for campaign in campaigns}),
        )


def named_records(campaign: Campaign, templates: Mapping[str, Template]) -> frozenset[str] | None:
    """The fields of the entry event that something done after the entry may still name; None if any of them may be."""
    names: set[str] = set()
    paths: set[str] = set()
    for match in matches(campaign):
        if match.where is not None:
            names.update(name.removeprefix("entry.") for name in match.where.names() if name.startswith("entry."))
    for _, action in campaign.walk_actions():
        if isinstance(action, If):
            names.update(name.removeprefix("entry.") for name in action.if_.names())
        elif isinstance(action, Webhook):
            paths.update(strings_names(action.body))
        elif isinstance(action, Send | PollAction):
            named = (templates[step.template].names for step in action.steps if step.template in templates)
            paths.update(*named)
    fields = {_event_field(path) for path in paths if re.split(r"[.\[]", path)[0] == "event"}
    return None if None in fields else frozenset(names | {field for field in fields if field is not None})


def _event_field(path: str) -> str | None:
    """The field below `event` in a template's path (`event.lines[0].name`); None if it is chosen by the data."""
    found = re.match(r"event(?:\.([^.\[]+)|\[['\"]([^'\"]+)['\"]\])", path)
    return None if found is None else found[1] or found[2]


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


_Kind = TypeVar("_Kind", bound=Trigger)


def _timed(campaigns: Iterable[Campaign], kind: type[_Kind]) -> "Timed[_Kind]":
    return tuple(
        (campaign, index, trigger)
        for campaign in campaigns
        for index, trigger in enumerate(campaign.triggers)
        if isinstance(trigger, kind)
    )


def _caps_kept_ms(policies: Policies) -> int:
    """How long a sent message can still matter to a cap; months count 31 days."""
    return max((cap.per.ms + cap.per.months * 31 * DAY_MS for cap in policies.frequency_caps), default=0)


_Item = TypeVar("_Item")


def _frozen(lists: Mapping[str, list[_Item]]) -> Mapping[str, tuple[_Item, ...]]:
    return MappingProxyType({key: tuple(items) for key, items in lists.items()})


def _newest(bundles: Iterable[Mapping[str, _Defined]]) -> Mapping[str, _Defined]:
    merged: dict[str, _Defined] = {}
    for bundle in bundles:
        merged.update(bundle)
    return MappingProxyType(merged)


EMPTY = Programme.compile([Definitions()], number=0)
"""What is in force before any programme was applied."""
