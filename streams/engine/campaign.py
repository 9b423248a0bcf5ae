"""Campaigns and what stands beside them in a programme: policies, counters, segments, polls."""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import time
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import (
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from streams.engine.actions import Action
from streams.engine.conditions import Condition, parse
from streams.engine.definition import DEFINED, Definition, Loc, described, invalid
from streams.engine.matching import EventMatch
from streams.engine.policies.consent import DEFAULT_TYPES, MessagingType
from streams.engine.policies.frequency_cap import FrequencyCap
from streams.engine.policies.quiet_hours import QuietHours
from streams.engine.script import Script, flatten
from streams.engine.triggers import Trigger
from streams.engine.triggers.schedule import CronText
from streams.engine.values import Count, Duration, LocalTime, Percent, Period, Region, Text, ZoneName, moment_ms

DEFAULT_ZONE = "Europe/Moscow"
DEFAULT_REGION = "RU"
BUCKETS_MAX = 10_000
_DAY_MS, _HOUR_MS, _MINUTE_MS = 86_400_000, 3_600_000, 60_000


def one_or_more(value: Any) -> Any:
    """A list, also of a single value that stands alone."""
    return [value] if isinstance(value, dict) else value


# Campaigns -----------------------------------------------------------------------------------------------------------


class Active(Definition):
    """When journeys may be entered: from `from` (inside) until `until` (outside), milliseconds since the epoch.

    In the YAML: ISO 8601; without offset, in the programme's zone. A date alone is its first moment; as `until`, its
    whole day.
    """

    from_: Annotated[int | None, WithJsonSchema({"type": "string"})] = Field(None, alias="from")
    """The first moment at which one may enter."""
    until: Annotated[int | None, WithJsonSchema({"type": "string"})] = None
    """From when on nobody enters; a date alone is included."""

    @field_validator("from_", "until", mode="before")
    @classmethod
    def _moment(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None:
            return None
        zone = (info.context or {}).get("zone", DEFAULT_ZONE)
        return moment_ms(value, ZoneInfo(zone), end_of_day=info.field_name == "until")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.from_ is not None and self.until is not None and self.from_ >= self.until:
            raise invalid([(("until",), "must be later than `from`")])
        return self


def _again(value: Any) -> Any:
    if isinstance(value, Duration) or value in ("always", "never"):
        return value
    try:
        if isinstance(value, str):
            found = Duration.parse(value)
            if not found.negative:
                return found
    except ValueError:
        pass
    expected = "`always`, `never` or a duration such as P30D"
    raise PydanticCustomError("definition", f"expected {expected}, not {described(value)}")


_AGAIN_SCHEMA: dict[str, Any] = {
    "anyOf": [{"enum": ["always", "never"]}, {"type": "string", "format": "duration", "examples": ["P30D"]}]
}


class Entry(Definition):
    """Whether a member may enter again, and what happens while a journey of the same campaign runs."""

    again: Annotated[Literal["always", "never"] | Duration, PlainValidator(_again), WithJsonSchema(_AGAIN_SCHEMA)] = (
        "always"
    )
    """Whether a member may enter again: `always`, `never`, or when so much time has passed since the last entry."""
    while_running: Literal["ignore", "restart", "parallel"] = "ignore"
    """While a journey of the campaign runs: `ignore` the entry, `restart` (the running one is superseded), or run in
    `parallel`.
    """


class Goal(EventMatch):
    """What the campaign is for. `within` is the attribution period; `ends` also ends the journey when it is reached."""

    within: Period = Duration(ms=7 * _DAY_MS)
    """The attribution period, see below."""
    ends: bool = False
    """Whether the event also ends the journey, with reason `goal`."""


class Campaign(Definition):
    """A versioned definition of communication: who enters when, and what is done then."""

    example: ClassVar[str] = """\
id: come-back
version: 1
name: Two weeks without a purchase
group: retention
status: live
trigger:
  - event: registration_completed
  - event: purchase_completed
audience: {segment: everyone}
cancel_on: [{event: purchase_completed}]
entry: {again: always, while_running: restart}
priority: 0
holdout: 0
goal: {event: purchase_completed, within: P7D}
actions:
  - wait: P14D
  - send: {channel: sms, template: come-back}
  - wait: P14D
  - send: {channel: sms, template: come-back-again}
"""

    id: Text
    """Its name in decisions, reports and ids; never changes."""
    version: Count = 1
    """Raise it when you change what the campaign does, see [editing](editing-campaigns.md); at most 2147483647."""
    name: Text | None = None
    """What people call it."""
    group: Text | None = None
    """The marketing campaign that it belongs to."""
    status: Literal["live", "draft", "paused", "stopped"] = "live"
    """`live`; `draft`: nobody enters; `paused`: nobody enters, timers wait; `stopped`: journeys end."""
    active: Active | None = None
    """When one may enter, if not always."""
    triggers: Annotated[tuple[Trigger, ...], Field(min_length=1)] = Field(alias="trigger")
    """What starts a journey: one, or a list of which the first that matches does."""
    audience: Condition | None = None
    """Who may enter; the event at hand is the one that triggers."""
    cancel_on: tuple[EventMatch, ...] = ()
    """Events that end a running journey, its messages that aren't sent yet included."""
    entry: Entry = Entry()
    """What holds for those who have entered before."""
    priority: int = Field(0, strict=True)
    """Among campaigns that one event triggers, the higher goes first."""
    holdout: Percent = Decimal(0)
    """The percentage of members that are left out for comparison, always the same."""
    goal: Goal | None = None
    """What the campaign is for: purchases are attributed to its messages."""
    in_flight: Literal["keep", "move", "stop"] = "keep"
    """What becomes of journeys of earlier versions: see [editing](editing-campaigns.md)."""
    actions: tuple[Action, ...]
    """What is done, in order."""

    @field_validator("triggers", "cancel_on", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return one_or_more(value)

    @cached_property
    def script(self) -> Script:
        """Its actions by their paths."""
        return flatten(self.actions)

    @cached_property
    def records_kept(self) -> frozenset[str] | None:
        """The lists of records of the entry event that are still named by something; None: all may be."""
        return None

    def keep_records(self, fields: frozenset[str] | None) -> None:
        """State which lists of records of the entry event are still named by something; None: all may be."""
        self.__dict__["records_kept"] = fields  # as the properties that are reckoned once keep theirs

    def walk_actions(self) -> Iterator[tuple[str, Action]]:
        """Every action with its path (`actions[2].then[0]`), in order."""
        yield from walk("actions", self.actions)


def walk(path: str, actions: tuple[Action, ...]) -> Iterator[tuple[str, Action]]:
    """Every action of a list, and of the lists inside, with its path."""
    for index, action in enumerate(actions):
        at = f"{path}[{index}]"
        yield at, action
        for below, block in action.blocks():
            yield from walk(at + below, block)


# Policies ------------------------------------------------------------------------------------------------------------


class Rfm(Definition):
    """How [RFM](segments.md#rfm) is reckoned: over which period, and when every day. The engine doesn't look at it."""

    enabled: bool = True
    """Whether `rekindle segments run` reckons it at all."""
    period: Period = Duration(ms=365 * _DAY_MS)
    """The time before the moment of reckoning whose purchases count."""
    at: LocalTime = time(3)
    """The time of day, in the programme's zone."""


class Policies(Definition):
    """What holds for all campaigns: default zone and region, quiet hours, caps, messaging types, holdout, RFM."""

    example: ClassVar[str] = """\
default_time_zone: Europe/Moscow
default_region: RU
quiet_hours: {from: "21:00", to: "09:00", then: defer}
frequency_caps: [{channel: sms, max: 2, per: P1D, then: suppress}]
messaging_types: {marketing: {consent: opt_out}}
global_holdout: 0
rfm: {period: P365D, at: "03:00"}
"""

    default_time_zone: ZoneName = DEFAULT_ZONE
    """The programme's zone, and that of members without one."""
    default_region: Region = DEFAULT_REGION
    """The country of phone numbers without a country code, as two letters."""
    quiet_hours: QuietHours | None = None
    """When nothing is sent; without it, always."""
    frequency_caps: tuple[FrequencyCap, ...] = ()
    """How many messages at most; checked in this order."""
    messaging_types: Mapping[str, MessagingType] = Field(default_factory=lambda: dict(DEFAULT_TYPES))
    """Types of messages. `marketing` and `service` exist, what is stated goes over their defaults."""
    global_holdout: Percent = Decimal(0)
    """The percentage of members that no campaign takes."""
    rfm: Rfm = Field(default_factory=Rfm)
    """How recency, frequency and monetary value are reckoned."""

    @field_validator("frequency_caps", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        return one_or_more(value)

    @field_validator("messaging_types", mode="before")
    @classmethod
    def _over_defaults(cls, value: Any) -> Any:
        """What is stated of a type goes over its defaults, key by key."""
        if not isinstance(value, dict):
            return value
        given = {name: _over(name, stated) for name, stated in value.items()}
        return {**DEFAULT_TYPES, **given}


def _over(name: Any, stated: Any) -> Any:
    default = DEFAULT_TYPES.get(name)
    if default is None or not isinstance(stated, dict):
        return {} if stated is None else stated
    return {**default.model_dump(), **stated}


# Counters ------------------------------------------------------------------------------------------------------------


class SlidingWindow(Definition):
    """The last `duration`, in buckets of the counter's step."""

    duration: Period
    """How long."""


class TumblingWindow(Definition):
    """The current bucket of this length alone, cut from the epoch in UTC."""

    tumbling: Period
    """The length of the bucket."""


class CalendarWindow(Definition):
    """The current year, month or week (from Monday) in the programme's zone."""

    calendar: Literal["year", "month", "week"]
    """Which period."""


def _window(value: Any) -> Any:
    if isinstance(value, Definition):
        return value
    if isinstance(value, dict):
        return (CalendarWindow if "calendar" in value else TumblingWindow).model_validate(value)
    return SlidingWindow.model_validate({"duration": value})


def _clock_time(window: "SlidingWindow | TumblingWindow | CalendarWindow | None") -> Duration | None:
    if isinstance(window, SlidingWindow):
        return window.duration
    return window.tumbling if isinstance(window, TumblingWindow) else None


class Counter(EventMatch):
    """A running figure per member: how many such events, or the sum, maximum or number of distinct values of a field.

    Time is cut into buckets of `step`; a sliding window covers the current bucket and as many before as it needs.
    Without `window`, for ever. Without `step`: a day, or for windows shorter than a day an hour, or a minute.
    """

    example: ClassVar[str] = (
        "spend_30d: {event: purchase_completed, aggregate: sum, field: total, window: P30D, step: P1D}\n"
    )

    aggregate: Literal["count", "sum", "max", "distinct"]
    """`count` of events, or of a field the `sum`, the `max`, the number of `distinct` values."""
    field: Text | None = None
    """The body field; not for `count`."""
    window: Annotated[
        SlidingWindow | TumblingWindow | CalendarWindow | None,
        PlainValidator(lambda value: None if value is None else _window(value)),
        WithJsonSchema({DEFINED: "window"}),
    ] = None
    """The time that it covers; without it, everything since it was declared."""
    step: Period | None = None
    """The length of a bucket of a window such as `P30D`; without it a day, for shorter windows an hour or a minute."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        if self.aggregate != "count" and self.field is None:
            problems.append((("field",), f"is required for `{self.aggregate}`"))
        if self.aggregate == "count" and self.field is not None:
            problems.append((("field",), "a count needs no field; for its different values use `distinct`"))
        length = _clock_time(self.window)
        for name, duration in (("window", length), ("step", self.step)):
            if duration is not None and duration.months:
                problems.append(((name,), "expected clock time (days and shorter), or `window: {calendar: month}`"))
        if self.step is not None and not isinstance(self.window, SlidingWindow):
            problems.append((("step",), "belongs to a window such as P30D"))
        if not problems and isinstance(self.window, SlidingWindow) and self.buckets > BUCKETS_MAX:
            problems.append((("step",), f"cuts the window into {self.buckets} buckets, more than {BUCKETS_MAX}"))
        if problems:
            raise invalid(problems)
        return self

    distinct_max: ClassVar[int] = 1000

    @cached_property
    def fingerprint(self) -> str:
        """Changes with the definition: a changed counter starts anew."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @cached_property
    def period(self) -> Literal["year", "month", "week"] | None:
        """The calendar's period that is the window; None for one by the clock."""
        return self.window.calendar if isinstance(self.window, CalendarWindow) else None

    @cached_property
    def step_ms(self) -> int:
        """The length of a bucket of a sliding or tumbling window, in milliseconds."""
        length = _clock_time(self.window)
        if isinstance(self.window, TumblingWindow):
            return self.window.tumbling.ms
        if self.step is not None:
            return self.step.ms
        assert length is not None, "only a sliding or tumbling window has steps"
        return next((unit for unit in (_DAY_MS, _HOUR_MS, _MINUTE_MS) if length.ms >= unit), length.ms)

    @cached_property
    def buckets(self) -> int:
        """How many buckets the value covers, the current one included (sliding or tumbling window)."""
        length = _clock_time(self.window)
        assert length is not None, "only a sliding or tumbling window has buckets"
        return -(-length.ms // self.step_ms)


# Segments and polls --------------------------------------------------------------------------------------------------


class Segment(Definition):
    """A set of members: those of whom `where` holds, whom `sql` selects, or a list (`members`, `members_file`).

    Without any of them it is a list that only [uploads](segments.md), `add_to` and `remove_from` fill. What `sql`
    selects comes in like an upload, as `rekindle segments run` evaluates it over ClickHouse: `every` so often, or by
    `cron`.

    Segments of RFM need no definition: `rfm.segment.champions`, `rfm.recency.5`, `rfm.frequency.4`, `rfm.monetary.5`.
    A member is in one of each kind at a time; another takes its place. Conditions have names for what they say:
    `rfm.segment: champions`, `rfm.recency: {ge: 4}`.
    """

    example: ClassVar[str] = "id: year-old\nwhere: {member.days_since_registration: {ge: 365}}\n"

    id: Text
    """What `segment` names."""
    where: Condition | None = None
    """Who belongs to it, a condition on the member."""
    members: frozenset[str] | None = None
    """The ids of those who belong to it."""
    members_file: Text | None = None
    """A CSV file beside it: one id to a line, or a column `member_id`."""
    sql: Text | None = None
    """One SELECT over ClickHouse's tables with a column `member_id`."""
    every: Period | None = None
    """How often `sql` is evaluated: `PT1H`."""
    cron: CronText | None = None
    """When `sql` is evaluated: minute, hour, day of the month, month, day of the week."""
    zone: ZoneName | None = None
    """The zone of `cron`; without it, the programme's."""

    @field_validator("members", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        if isinstance(value, list):
            wrong = [
                ((index,), "expected a member id, a string: write it in quotes")
                for index, item in enumerate(value)
                if not isinstance(item, str) or not item
            ]
            if wrong:
                raise invalid(wrong)
            return frozenset(value)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.where is not None and (self.members is not None or self.members_file is not None):
            raise invalid([(("where",), "a segment is a condition or a list, not both")])
        return self

    @model_validator(mode="after")
    def _when(self) -> Self:
        problems: list[tuple[Loc, str]] = []
        others = [name for name in ("where", "members", "members_file") if getattr(self, name) is not None]
        if self.sql is None:
            problems += [((name,), "belongs to `sql`") for name in _WHEN if getattr(self, name) is not None]
        elif others:
            problems.append((("sql",), f"a segment is SQL or `{others[0]}`, not both"))
        elif (self.every is None) == (self.cron is None):
            problems.append((("every",), "expected exactly one of `every` and `cron` beside `sql`"))
        elif self.every is not None and self.every.approximate_ms < _MINUTE_MS:
            problems.append((("every",), "expected a minute at least"))
        elif self.zone is not None and self.cron is None:
            problems.append((("zone",), "belongs to `cron`"))
        if problems:
            raise invalid(problems)
        return self


_WHEN = ("every", "cron", "zone")
EVERYONE = Segment(id="everyone", where=parse({}))


class Question(Definition):
    """One question of a poll; without options the answer is free text."""

    id: Text
    """What `poll_answered` names as `question`."""
    text: Text
    """The question."""
    options: tuple[Text, ...] = ()
    """The answers to choose from; without them, free text."""


class Poll(Definition):
    """Questions that `poll` asks."""

    example: ClassVar[str] = """\
id: after-purchase
questions: [{id: q1, text: "How was it?", options: [good, bad]}]
"""

    id: Text
    """What `poll` names."""
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]
    """What is asked."""

    @cached_property
    def as_data(self) -> dict[str, Any]:
        """What a template names as `poll`."""
        return self.model_dump()

    @field_validator("questions")
    @classmethod
    def _unique(cls, questions: tuple[Question, ...]) -> tuple[Question, ...]:
        seen: set[str] = set()
        for index, question in enumerate(questions):
            if question.id in seen:
                raise invalid([((index, "id"), f"`{question.id}` is used twice")])
            seen.add(question.id)
        return questions
