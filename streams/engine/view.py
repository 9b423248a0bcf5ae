"""What conditions, templates and dates ask about a member: every name of the campaign language, each with its answer.

A name is taken apart once, into what answers it (`_answer`); names are few, members many.
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from streams.engine import rfm, windows
from streams.engine.entry_body import unpack
from streams.engine.local_time import DAY_MS, occurrence, to_datetime
from streams.engine.state import Accrual, Journey, MemberState

if TYPE_CHECKING:
    from streams.engine.handling import Handling

_NOTHING: dict[str, Any] = {}
_NAMES_KEPT_MAX = 4096


class View:
    """What conditions ask: the body of the event at hand, the member, and the journey's entry event.

    A segment's condition sees the member only: its view has no bodies.
    """

    __slots__ = ("_entry", "body", "handling", "journey")

    def __init__(
        self, handling: "Handling", body: Mapping[str, Any] | None = None, journey: Journey | None = None
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
        answer = _answers.get(name)
        if answer is None:
            answer = _answer(name)
        return answer.of(self)

    def in_segment(self, segment_id: str) -> bool:
        """Whether the member is in the segment now."""
        return in_segment(self.handling, segment_id)


def in_segment(handling: "Handling", segment_id: str) -> bool:
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
        return rfm.holds(state, segment_id)
    if segment.where is not None:
        return segment.where.holds(View(handling))
    return segment.members is not None and state.key in segment.members


def counter_value(handling: "Handling", name: str) -> Decimal | int | None:
    """A counter's value at the member's clock; None if there is no such counter, or of nothing that has no value."""
    counter = handling.plan.counters.get(name)
    if counter is None:
        return None
    return windows.read(counter, handling.state.tallies.get(name), handling.now, handling.plan.zone)


def member_value(handling: "Handling", name: str) -> Any:
    """A value of the member: a profile field, an attribute, or something reckoned from the state."""
    return _member(name)(handling)


class _Answer:
    """What answers a name. Those that are asked most have a class each: a call of a closure costs more."""

    __slots__ = ("ask",)

    def __init__(self, ask: Callable[[View], Any]) -> None:
        self.ask = ask

    def of(self, view: View) -> Any:
        return self.ask(view)


class _Counter(_Answer):
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(_never)
        self.name = name

    @override
    def of(self, view: View) -> Any:
        return counter_value(view.handling, self.name)


class _DaysSince(_Answer):
    __slots__ = ("event",)

    def __init__(self, event: str) -> None:
        super().__init__(_never)
        self.event = event

    @override
    def of(self, view: View) -> Any:
        return _days_since(view.handling, self.event)


class _Balance(_Answer):
    __slots__ = ("currency",)

    def __init__(self, currency: str) -> None:
        super().__init__(_never)
        self.currency = currency

    @override
    def of(self, view: View) -> Any:
        return balance(view.handling.state, self.currency, view.handling.state.clock)


class _PurchasesCount(_Answer):
    __slots__ = ()

    @override
    def of(self, view: View) -> Any:
        return view.handling.state.purchases.count


_answers: dict[str, _Answer] = {}


def _answer(name: str) -> _Answer:
    """What answers the name; taken apart once."""
    if len(_answers) >= _NAMES_KEPT_MAX:
        _answers.clear()
    found = _answers[name] = _answer_anew(name)
    return found


def _answer_anew(name: str) -> _Answer:
    head, dot, rest = name.partition(".")
    if not dot:
        return _Answer(lambda view: view.body.get(name))
    match head:
        case "member" if rest == "purchases.count":
            return _PurchasesCount(_never)
        case "member" if rest.startswith("bonus."):
            return _Balance(rest.removeprefix("bonus."))
        case "member":
            answer = _member(rest)
            return _Answer(lambda view: answer(view.handling))
        case "counter":
            return _Counter(rest)
        case "days_since":
            return _DaysSince(rest)
        case "entry":
            return _Answer(lambda view: view.entry.get(rest))
        case "rfm":
            return _Answer(lambda view: view.handling.state.rfm.get(rest))
        case _:
            return _Answer(_never)


def _never(_: Any) -> None:
    """What is missing for everyone."""


@lru_cache(maxsize=_NAMES_KEPT_MAX)
def _member(name: str) -> "Callable[[Handling], Any]":
    head, dot, rest = name.partition(".")
    if dot:
        return _nested(head, rest)
    if name in _PROFILE_FIELDS:
        return attrgetter(f"state.profile.{name}")
    return _RECKONED.get(name, _never)


def _nested(head: str, rest: str) -> "Callable[[Handling], Any]":
    match head:
        case "attributes":
            return lambda handling: _attribute(handling.state, rest)
        case "bonus":
            return lambda handling: balance(handling.state, rest, handling.now)
        case "purchases" if rest in {"count", "total"}:
            return attrgetter(f"state.purchases.{rest}")
        case "purchases" if rest in {"first_at", "last_at"}:
            return lambda handling: _moment(getattr(handling.state.purchases, rest))
        case "social":
            return lambda handling: handling.state.profile.social.get(rest)
        case _:
            return _never


def _attribute(state: MemberState, name: str) -> Any:
    value = state.profile.attributes.get(name)
    return Decimal(repr(value)) if isinstance(value, float) else value


def _moment(at: int | None) -> Any:
    return None if at is None else to_datetime(at)


def balance(state: MemberState, currency: str, at: int) -> Decimal:
    """The active balance: accruals that are active at `at` and neither cancelled nor expired, less what was spent."""
    total = _ZERO
    if state.accruals:
        for accrual in active_accruals(state, currency, at):
            total += accrual.amount - accrual.spent
    return total


def active_accruals(state: MemberState, currency: str, at: int) -> Iterator[Accrual]:
    """The accruals of a currency that can be spent at `at` (ms)."""
    for accrual in state.accruals:
        if (
            accrual.currency == currency
            and not accrual.cancelled
            and accrual.activates_at <= at
            and (accrual.expires_at is None or at < accrual.expires_at)
        ):
            yield accrual


def _days_since_registration(handling: "Handling") -> int | None:
    at = handling.state.profile.registered_at
    return None if at is None else max(0, handling.now - at) // DAY_MS


def _age(handling: "Handling") -> int | None:
    born = handling.state.profile.birth_date
    if born is None:
        return None
    today = to_datetime(handling.now, handling.zone).date()
    return today.year - born.year - (today < occurrence(born, today.year))


def _days_since(handling: "Handling", event_type: str) -> int | None:
    times = handling.state.last_at.get(event_type)
    if times is None:
        return None
    latest, earlier = times
    now = handling.state.clock
    if latest >= now:
        if earlier is None:
            return None
        latest = earlier
    return (now - latest) // DAY_MS


_ZERO = Decimal(0)
_RECKONED: "Mapping[str, Callable[[Handling], Any]]" = {
    "id": lambda handling: handling.state.key,
    "registered_at": lambda handling: _moment(handling.state.profile.registered_at),
    "days_since_registration": _days_since_registration,
    "age": _age,
    "time_zone": lambda handling: handling.zone.key,
}
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
