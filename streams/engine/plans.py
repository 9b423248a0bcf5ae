"""The programme as the engine runs it: what stands in its definitions, as plain classes that can be compiled.

Definitions are pydantic's models: for reading, explaining and comparing campaigns. Machine code could only ask them
for their fields by name, which costs more than deciding. So each campaign is made into a plan once, as its programme is
compiled: its tests as functions, durations as numbers, sets by event type; what runs for events knows plans alone.
"""

from typing import TYPE_CHECKING, Any, Final

from streams.engine.ids import Share, share_below
from streams.engine.message_plans import CapPlan, QuietPlan, TypePlan, cap_plans, quiet_plan, type_plans
from streams.engine.spans import Span, span_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from streams.engine.campaign import Campaign, Counter
    from streams.engine.conditions.writing import Test
    from streams.engine.script import Script
    from streams.programme.programme import Programme

IGNORE: Final = 0
RESTART: Final = 1
PARALLEL: Final = 2
_WHILE_RUNNING: Final = {"ignore": IGNORE, "restart": RESTART, "parallel": PARALLEL}


class GoalPlan:
    """What a campaign is for; `period` is the attribution period."""

    __slots__ = ("ends", "event", "period", "test")

    def __init__(self, event: str, test: "Test | None", period: Span, *, ends: bool) -> None:
        self.event = event
        self.test = test
        self.period = period
        self.ends = ends


class CounterPlan:
    """A counter: see `Counter`, whose fields these are.

    `is_endless`: it has no window; `step_ms` and `buckets` are 0 then, and for calendar periods.
    """

    __slots__ = (
        *("aggregate", "buckets", "distinct_max", "field", "fingerprint", "is_endless", "name", "period", "step_ms"),
        "test",
    )

    def __init__(self, name: str, counter: "Counter") -> None:
        self.name = name
        self.aggregate: str = counter.aggregate
        self.field: str | None = counter.field
        self.test: Test | None = None if counter.where is None else counter.where.holds
        self.fingerprint: str = counter.fingerprint
        self.period: str | None = counter.period
        self.is_endless: bool = counter.window is None
        has_steps = counter.window is not None and counter.period is None
        self.step_ms: int = counter.step_ms if has_steps else 0
        self.buckets: int = counter.buckets if has_steps else 0
        self.distinct_max: int = counter.distinct_max


class CampaignPlan:
    """A version of a campaign.

    `cancelled_by`: the tests of `cancel_on` by types of events; None: every event of the type. `once`: who has entered
    never enters again; `again`: not before so much time has passed. `while_running` is one of `IGNORE`, `RESTART`,
    `PARALLEL`. `held_out`: who is left out for comparison. `script` is the campaign's own.
    """

    __slots__ = (
        "again",
        "audience",
        "cancelled_by",
        "from_",
        "goal",
        "group",
        "held_out",
        "id",
        "live",
        "name",
        "once",
        "paused",
        "records_kept",
        "script",
        "starts",
        "until",
        "version",
        "while_running",
    )

    def __init__(self, campaign: "Campaign") -> None:
        self.id: str = campaign.id
        self.version: int = campaign.version
        self.name: str | None = campaign.name
        self.group: str | None = campaign.group
        self.live: bool = campaign.status == "live"
        self.paused: bool = campaign.status == "paused"
        active = campaign.active
        self.from_: int | None = None if active is None else active.from_
        self.until: int | None = None if active is None else active.until
        self.audience: Test | None = None if campaign.audience is None else campaign.audience.holds
        again: Any = campaign.entry.again
        self.once: bool = again == "never"
        self.again: Span | None = None if isinstance(again, str) else span_of(again)
        self.while_running: int = _WHILE_RUNNING[campaign.entry.while_running]
        self.held_out: Share | None = share_below(campaign.id, campaign.holdout)
        self.cancelled_by: dict[str, list[Test | None]] = {}
        for match in campaign.cancel_on:
            where = match.where
            self.cancelled_by.setdefault(match.event, []).append(None if where is None else where.holds)
        self.goal: GoalPlan | None = None
        if campaign.goal is not None:
            where = campaign.goal.where
            test = None if where is None else where.holds
            period = span_of(campaign.goal.within)
            self.goal = GoalPlan(campaign.goal.event, test, period, ends=campaign.goal.ends)
        self.records_kept: frozenset[str] | None = campaign.records_kept
        self.script: Script = campaign.script
        self.starts: bool = bool(campaign.actions)

    def admits(self, at: int) -> bool:
        """Whether journeys may be entered at that moment (ms): by status and `active`."""
        return self.live and (self.from_ is None or self.from_ <= at) and (self.until is None or at < self.until)

    def remembered(self, body: dict[str, Any]) -> dict[str, Any]:
        """What a journey keeps of its entry event: plain fields, and those lists of records that are still named."""
        kept = self.records_kept
        if kept is None:
            return body
        return {name: value for name, value in body.items() if not isinstance(value, list) or name in kept}


class Listener:
    """A campaign that listens to events of a type, and the test that they must pass (None: none)."""

    __slots__ = ("campaign", "test")

    def __init__(self, campaign: CampaignPlan, test: "Test | None") -> None:
        self.campaign = campaign
        self.test = test


class TurnPlan:
    """A name that time alone changes, taken apart at its first dot, and the values at which it may turn."""

    __slots__ = ("head", "rest", "values")

    def __init__(self, name: str, values: tuple[int, ...] | None) -> None:
        head, _, rest = name.partition(".")
        self.head = head
        self.rest = rest
        self.values = values


class ProgrammePlan:
    """Everything in force; see `Programme`, whose fields these are."""

    __slots__ = (
        "_in_force",
        "_versions",
        "caps",
        "caps_kept_ms",
        "counters",
        "counters_by_event",
        "held_out",
        "listeners",
        "mailings_now",
        "number",
        "quiet",
        "region",
        "turns",
        "types",
        "watched",
        "zone",
    )

    def __init__(self, programme: "Programme") -> None:
        self.number: int = programme.number
        self.zone: ZoneInfo = programme.zone
        self.region: str = programme.policies.default_region
        self._versions: dict[str, dict[int, CampaignPlan]] = {}
        for campaign in programme.known():
            self._versions.setdefault(campaign.id, {})[campaign.version] = CampaignPlan(campaign)
        self._in_force: dict[str, CampaignPlan] = {
            campaign.id: self._versions[campaign.id][campaign.version] for campaign in programme.campaigns
        }
        self.listeners: dict[str, list[Listener]] = {
            event: self._listeners(found) for event, found in programme.by_trigger_event.items()
        }
        self.counters: dict[str, CounterPlan] = {
            name: CounterPlan(name, counter) for name, counter in programme.counters.items()
        }
        self.counters_by_event: dict[str, list[CounterPlan]] = {}
        for name, counter in programme.counters.items():
            self.counters_by_event.setdefault(counter.event, []).append(self.counters[name])
        policies = programme.policies
        self.held_out: Share | None = share_below("global", policies.global_holdout)
        self.types: dict[str, TypePlan] = type_plans(policies)
        self.caps: list[CapPlan] = cap_plans(policies)
        self.caps_kept_ms: int = programme.caps_kept_ms
        self.quiet: QuietPlan | None = quiet_plan(policies)
        self.mailings_now: list[CampaignPlan] = [self._in_force[each.id] for each in programme.mailings_now]
        self.turns: list[TurnPlan] = [TurnPlan(name, values) for name, values in programme.turning]
        self.watched: list[str] = list(programme.watched_segments)

    def _listeners(self, found: "Iterable[tuple[Campaign, Test | None]]") -> list[Listener]:
        return [Listener(self._in_force[campaign.id], test) for campaign, test in found]

    def definition(self, campaign_id: str, version: int) -> CampaignPlan | None:
        """A campaign's version, also of an earlier bundle; None if no bundle has it."""
        versions = self._versions.get(campaign_id)
        return None if versions is None else versions.get(version)

    def current(self, campaign_id: str) -> CampaignPlan | None:
        """The campaign that is in force under this id."""
        return self._in_force.get(campaign_id)
