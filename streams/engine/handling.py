"""One record being handled for one member: what is at hand, what comes out, and the bounds that hold meanwhile."""

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from streams.engine import rfm
from streams.engine.commands import Command, Decision, LimitExceeded
from streams.engine.events import Event
from streams.engine.limits import ACTIONS_AT_ONCE_MAX, ACTIONS_UNCOUNTED, ASSIGNED_MAX, ENTRIES_AT_ONCE_MAX
from streams.engine.liquid_work import Work
from streams.engine.local_time import zone
from streams.engine.state import Journey, MemberState, Timer

if TYPE_CHECKING:
    from streams.engine.plans import CampaignPlan, ProgrammePlan
    from streams.programme.programme import Programme

Output = Command | Event


class Handling:
    """A member's state while something is handled. `now` is the member's clock (contract §4.2)."""

    __slots__ = ("_allowances", "acted", "grew", "late", "output", "plan", "programme", "state")

    programme: "Programme"
    plan: "ProgrammePlan"
    state: MemberState
    output: list[Output]
    late: bool

    def __init__(self, programme: "Programme", state: MemberState) -> None:
        self.programme = programme
        self.plan = programme.plan
        self.state = state
        self.output = []
        self.late = False
        self.acted = 0
        self.grew = False
        self._allowances: dict[str, Allowance] | None = None

    @property
    def now(self) -> int:
        """The moment that what is done is stamped with, in ms."""
        return self.state.clock

    @property
    def zone(self) -> ZoneInfo:
        """The member's zone: the one stated, else the city's, else the programme's."""
        profile = self.state.profile
        name = profile.time_zone or profile.city_zone
        # Names are checked when they come; one that newer zone data have dropped counts as none.
        return (zone(name) if name else None) or self.plan.zone

    def allowance(self, campaign_id: str) -> "Allowance":
        """What the campaign may still do for the member at this moment, and with its templates in this handling."""
        if self._allowances is None:
            self._allowances = {}
        found = self._allowances.get(campaign_id)
        if found is None:
            found = self._allowances[campaign_id] = Allowance(self.now)
        elif found.at != self.now:
            found.renew(self.now)
        return found

    def set_timer(self, due: int, kind: str, owner: int | str, detail: str = "") -> None:
        """Set a durable wake-up for `due` (ms)."""
        self.state.timers.append(Timer(due, self.state.next_number(), kind, owner, detail))

    def drop_timers(self, kind: str, owner: int | str, detail: str | None = None) -> None:
        """Cancel the timers of that kind and owner, parked ones too."""
        for timers in (self.state.timers, self.state.parked):
            if timers:
                timers[:] = [
                    timer
                    for timer in timers
                    if timer.kind != kind or timer.owner != owner or (detail is not None and timer.detail != detail)
                ]

    def drop_journey_timers(self, number: int) -> None:
        """Cancel all timers of a journey, parked ones too; the owners of others are campaigns, not numbers."""
        state = self.state
        state.timers = [timer for timer in state.timers if timer.owner != number]
        if state.parked:
            state.parked = [timer for timer in state.parked if timer.owner != number]

    def assign(self, segment_id: str, *, inside: bool) -> bool:
        """Put the member on the segment's list or take them off it, whatever its definition says; False if too many."""
        assigned = self.state.assigned
        if rfm.assign(self.state, segment_id, inside=inside):
            return True
        if segment_id in assigned or len(assigned) < ASSIGNED_MAX:
            assigned[segment_id] = inside
            return True
        return False

    def decide(self, campaign: str, version: int, action: str | None, outcome: str, reason: str) -> None:
        """Record why something was or wasn't done."""
        state = self.state
        self.output.append(Decision(state.clock, state.key, campaign, version, action, outcome, reason))

    def may_act(self, campaign_id: str) -> bool:
        """Whether the campaign may do one more action, which counts."""
        self.acted += 1
        if self.acted <= ACTIONS_UNCOUNTED:
            return True
        allowance = self.allowance(campaign_id)
        allowance.actions -= 1
        return allowance.actions >= 0

    def may_enter(self, campaign_id: str) -> bool:
        """Whether the campaign may be entered once more, which counts as an action too."""
        if not self.may_act(campaign_id):
            return False
        if self.acted <= ACTIONS_UNCOUNTED:
            return True
        allowance = self.allowance(campaign_id)
        allowance.entries -= 1
        return allowance.entries >= 0

    def exceed(
        self, campaign: str, version: int, action: str | None, outcome: str, limit: str, reason: str = "limit_exceeded"
    ) -> None:
        """Record that a campaign met a bound: one of `streams.engine.decision.LIMITS`."""
        state = self.state
        self.output.append(LimitExceeded(state.clock, state.key, campaign, version, action, outcome, reason, limit))

    def definition(self, journey: Journey) -> "CampaignPlan | None":
        """The version of the campaign that a journey runs; None if no programme knows it any more."""
        return self.plan.definition(journey.campaign, journey.version)


class Allowance:
    """What a campaign may still do for a member: at the moment `at` (ms), and with its templates in one handling."""

    __slots__ = ("actions", "at", "entries", "work")

    def __init__(self, at: int) -> None:
        self.renew(at)
        self.work = Work()

    def renew(self, at: int) -> None:
        """Another moment has come."""
        self.at = at
        self.actions = ACTIONS_AT_ONCE_MAX
        self.entries = ENTRIES_AT_ONCE_MAX


def note_time(state: MemberState, event: Event) -> None:
    """Keep the latest two distinct times of each event type, for `days_since`."""
    note_time_of(state, event.type, event.occurred_at)


def note_time_of(state: MemberState, event_type: str, at: int) -> None:
    """Keep the latest two distinct times of this event type, of which `at` (ms) is one more."""
    times = state.last_at.get(event_type)
    if times is None:
        state.last_at[event_type] = (at, None)
        return
    latest, earlier = times
    if at > latest:
        state.last_at[event_type] = (at, latest)
    elif at < latest and (earlier is None or at > earlier):
        state.last_at[event_type] = (latest, at)
