"""One record being handled for one member: what is at hand, what comes out, and the bounds that hold meanwhile."""

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from streams.engine import windows
from streams.engine.commands import Command, Decision
from streams.engine.events import Event
from streams.engine.limits import ASSIGNED_MAX
from streams.engine.local_time import DAY_MS, occurrence, to_datetime, zone
from streams.engine.state import Journey, MemberState, Timer, unpack

if TYPE_CHECKING:
    from streams.engine.campaign import Campaign
    from streams.programme.programme import Programme

Output = Command | Event
_NOTHING: dict[str, Any] = {}


class Handling:
    """A member's state while something is handled. `now` is the member's clock (contract §4.2)."""

    __slots__ = ("late", "output", "programme", "state")

    def __init__(self, programme: "Programme", state: MemberState) -> None:
        self.programme = programme
        self.state = state
        self.output: list[Output] = []
        self.late = False

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
        return (zone(name) if name else None) or self.programme.zone

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

    def assign(self, segment_id: str, *, inside: bool) -> None:
        """Put the member on the segment's list or take them off it, whatever its definition says."""
        assigned = self.state.assigned
        if segment_id in assigned or len(assigned) < ASSIGNED_MAX:
            assigned[segment_id] = inside

    def decide(self, campaign: str, version: int, action: str | None, outcome: str, reason: str) -> None:
        """Record why something was or wasn't done."""
        self.output.append(
            Decision(
                at=self.now,
                member_id=self.state.key,
                campaign=campaign,
                version=version,
                action=action,
                outcome=outcome,
                reason=reason,
            )
        )

    def definition(self, journey: Journey) -> "Campaign | None":
        """The version of the campaign that a journey runs; None if no programme knows it any more."""
        return self.programme.definition(journey.campaign, journey.version)


class View:
    """What conditions ask: the body of the event at hand, the member, and the journey's entry event.

    A segment's condition sees the member only: its view has no bodies.
    """

    __slots__ = ("_entry", "body", "handling", "journey")

    def __init__(
        self, handling: Handling, body: Mapping[str, Any] | None = None, journey: Journey | None = None
    ) -> None:
        self.handling = handling
        self.journey = journey
        self._entry: Mapping[str, Any] | None = None
        self.body: Mapping[str, Any] = (_NOTHING if journey is None else self.entry) if body is None else body

    @property
    def entry(self) -> Mapping[str, Any]:
        """The body of the journey's entry event; at entry itself, of the event at hand."""
        if self.journey is None:
            return self.body
        if self._entry is None:
            self._entry = unpack(self.journey.entry_body)
        return self._entry

    def value(self, name: str) -> Any:
        """The value of a name of the campaign language, None if it is missing or null."""
        head, dot, rest = name.partition(".")
        if not dot:
            return self.body.get(name)
        match head:
            case "member":
                return member_value(self.handling, rest)
            case "counter":
                return counter_value(self.handling, rest)
            case "days_since":
                return _days_since(self.handling, rest)
            case "entry":
                return self.entry.get(rest)
            case _:
                return None

    def in_segment(self, segment_id: str) -> bool:
        """Whether the member is in the segment now."""
        return in_segment(self.handling, segment_id)


def in_segment(handling: Handling, segment_id: str) -> bool:
    """Whether the member is in the segment now: by what was assigned, else the list, else the condition."""
    if segment_id == "everyone":
        return True
    state = handling.state
    assigned = state.assigned.get(segment_id)
    if assigned is not None:
        return assigned
    programme = handling.programme
    segment = programme.segments.get(segment_id) or programme.former_segments.get(segment_id)
    if segment is None:
        return False
    if segment.where is not None:
        return segment.where.holds(View(handling))
    return segment.members is not None and state.key in segment.members


def counter_value(handling: Handling, name: str) -> Decimal | int | None:
    """A counter's value at the member's clock; None if there is no such counter, or of nothing that has no value."""
    counter = handling.programme.counters.get(name)
    if counter is None:
        return None
    return windows.read(counter, handling.state.tallies.get(name), handling.now, handling.programme.zone)


def member_value(handling: Handling, name: str) -> Any:
    """A value of the member: a profile field, an attribute, or something reckoned from the state."""
    state = handling.state
    profile = state.profile
    if name in _PROFILE_FIELDS:
        return getattr(profile, name)
    head, dot, rest = name.partition(".")
    if dot:
        return _nested_value(handling, head, rest)
    match name:
        case "id":
            return state.key
        case "registered_at":
            return None if profile.registered_at is None else to_datetime(profile.registered_at)
        case "days_since_registration":
            return None if profile.registered_at is None else max(0, handling.now - profile.registered_at) // DAY_MS
        case "age":
            return _age(handling, profile.birth_date)
        case "time_zone":
            return handling.zone.key
        case _:
            return None


def _nested_value(handling: Handling, head: str, rest: str) -> Any:
    state = handling.state
    match head:
        case "attributes":
            value = state.profile.attributes.get(rest)
            return Decimal(repr(value)) if isinstance(value, float) else value
        case "bonus":
            return balance(state, rest, handling.now)
        case "purchases":
            value = getattr(state.purchases, rest, None)
            return to_datetime(value) if rest in {"first_at", "last_at"} and value is not None else value
        case "social":
            return state.profile.social.get(rest)
        case _:
            return None


def balance(state: MemberState, currency: str, at: int) -> Decimal:
    """The active balance: accruals that are active at `at` and neither cancelled nor expired, less what was spent."""
    return sum(
        (accrual.amount - accrual.spent for accrual in active_accruals(state, currency, at)),
        start=Decimal(0),
    )


def active_accruals(state: MemberState, currency: str, at: int) -> Iterator[Any]:
    """The accruals of a currency that can be spent at `at` (ms)."""
    for accrual in state.accruals:
        if (
            accrual.currency == currency
            and not accrual.cancelled
            and accrual.activates_at <= at
            and (accrual.expires_at is None or at < accrual.expires_at)
        ):
            yield accrual


def _age(handling: Handling, born: date | None) -> int | None:
    if born is None:
        return None
    today = to_datetime(handling.now, handling.zone).date()
    return today.year - born.year - (today < occurrence(born, today.year))


def note_time(state: MemberState, event: Event) -> None:
    """Keep the latest two distinct times of each event type, for `days_since`."""
    times = state.last_at.get(event.type)
    at = event.occurred_at
    if times is None:
        state.last_at[event.type] = (at, None)
        return
    latest, earlier = times
    if at > latest:
        state.last_at[event.type] = (at, latest)
    elif at < latest and (earlier is None or at > earlier):
        state.last_at[event.type] = (latest, at)


def _days_since(handling: Handling, event_type: str) -> int | None:
    times = handling.state.last_at.get(event_type)
    if times is None:
        return None
    latest, earlier = times
    if latest >= handling.now:
        if earlier is None:
            return None
        latest = earlier
    return (handling.now - latest) // DAY_MS


_PROFILE_FIELDS = frozenset(
    {
        "first_name",
        "middle_name",
        "last_name",
        "phone",
        "email",
        "birth_date",
        "gender",
        "city",
        "address",
        "referrer_id",
        "status",
        "push_token",
        "platform",
        "card_number",
    }
)
