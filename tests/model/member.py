"""A second implementation of the contract, as plain as can be: one member, lists of everything, nothing indexed.

Written from the contract's text, not from the engine: what both say alike is probably what the text says. It shares
with the engine only what isn't semantics: the parsing of conditions, durations and Liquid, and the format of ids.
A journey is a Python generator over its actions, which yields at each wait; a value is reckoned anew from every event
that was ever handled.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from streams.engine.conditions import Condition
from streams.engine.conditions import parse as parse_condition
from streams.engine.events import Event
from streams.engine.ids import derived_id, share
from streams.engine.liquid_text import LiquidText, TemplateError
from streams.engine.values import Duration
from streams.profile.emails import normalise_email
from streams.profile.phones import normalise_phone
from streams.profile.zones import zone_of_city
from tests.model.local_time import days_in_year, hours_and_minutes, local_moment, moment

DAY = 86_400_000
PROFILE = ("first_name", "middle_name", "last_name", "phone", "email", "birth_date", "gender", "city", "address")
PROFILE = (*PROFILE, "time_zone", "referrer_id")
ADDRESS = {"sms": "phone", "viber": "phone", "voice": "phone", "email": "email", "push": "push_token"}
PARTS = {"sms": ("text",), "email": ("subject", "text", "html"), "push": ("title", "text", "url", "image")}
MET = {
    "sent": {"message_sent", "message_delivered", "message_opened", "message_clicked"},
    "delivered": {"message_delivered", "message_opened", "message_clicked"},
    "opened": {"message_opened", "message_clicked"},
    "clicked": {"message_clicked"},
}


PARSED: dict[str, Condition] = {}


def parse(source: Any, *, segment_is_field: bool = False) -> Condition:
    """The condition; parsed once, so that the tests don't take minutes."""
    key = f"{segment_is_field} {source!r}"
    if key not in PARSED:
        PARSED[key] = parse_condition(source, segment_is_field=segment_is_field)
    return PARSED[key]


class Ended(Exception):  # noqa: N818 - not an error
    """An `exit`, or a `select` that failed."""


class Looking:
    """What a condition sees: the event at hand, the member, the entry event."""

    def __init__(self, member: "Member", body: dict[str, Any], entry: dict[str, Any] | None = None) -> None:
        self.member, self.body, self.entry = member, body, entry or {}

    def value(self, name: str) -> Any:
        head, _, rest = name.partition(".")
        if head == "member":
            return self.member.look_up(rest)
        if head == "counter":
            return self.member.counter(rest)
        if head == "days_since":
            return self.member.days_since(rest)
        if head == "entry":
            return self.entry.get(rest)
        return self.body.get(name)

    def in_segment(self, segment_id: str) -> bool:
        return self.member.in_segment(segment_id)


class Timer:
    def __init__(self, due: int, fire: Any) -> None:
        self.due, self.fire = due, fire


class Message:
    """A send or a cascade on its way."""

    def __init__(self, journey: "Journey", path: str, steps: list[dict[str, Any]], send: dict[str, Any]) -> None:
        self.journey, self.path, self.steps, self.send = journey, path, steps, send
        self.action_at = journey.base
        self.at = 0
        self.timer: Timer | None = None
        self.sent_at: int | None = None


class Journey:
    """One run of a campaign."""

    def __init__(self, campaign: dict[str, Any], event: Event) -> None:
        self.campaign, self.event = campaign, event
        self.entered_at = self.base = event.occurred_at
        self.script: Iterator[Any] | None = None
        self.waiting: dict[str, Any] | None = None
        self.timer: Timer | None = None
        self.messages: list[Message] = []
        self.stands_at: str | None = None
        self.named: dict[str, list[str]] = {}
        self.reason: str | None = None
        self.over = False


class Member:
    def __init__(self, programme: dict[str, Any], key: str) -> None:
        self.programme, self.key = programme, key
        self.campaigns = sorted(programme["campaigns"], key=lambda c: (-c.get("priority", 0), c["id"]))
        self.clock: int | None = None
        self.timers: list[Timer] = []
        self.output: list[dict[str, Any]] = []
        self.seen: dict[tuple[str, str], int] = {}
        self.events: list[Event] = []
        self.at_hand: Event | None = None
        self.profile: dict[str, Any] = {}
        self.attributes: dict[str, Any] = {}
        self.registered_at: int | None = None
        self.status: str | None = None
        self.counted: dict[str, list[tuple[int, Any]]] = {name: [] for name in programme["counters"]}
        self.returned: list[Decimal] = []
        self.statements: list[tuple[int, Any, Any, bool]] = []
        self.journeys: list[Journey] = []
        self.entries: dict[str, list[int]] = {}
        self.sent: list[tuple[int, str, str]] = []
        self.awards: list[tuple[str, str, int]] = []
        self.lists: dict[str, bool] = {}
        self.within: dict[str, bool] = {}
        self.pending: list[tuple[str, str]] = []
        self.cart: dict[str, dict[str, Any]] = {}
        self.cart_changed: int | None = None
        self.cart_timers: dict[tuple[str, int], Timer] = {}
        self.dates: dict[tuple[str, int], tuple[Any, Timer | None]] = {}
        self.date_years: set[tuple[str, int, int]] = set()
        self.known = False

    # Time

    @property
    def now(self) -> int:
        assert self.clock is not None
        return self.clock

    def fire_until(self, until: int) -> None:
        """In order of due, then in the order in which they were set: the list is in that order, and `min` is stable.

        In between, at every moment at which time alone may change a segment, segments are looked at.
        """
        while True:
            timer = min(self.timers, key=lambda timer: timer.due, default=None)
            end = until if timer is None else min(until, timer.due - 1)
            turn = self.turning_moment(end)
            if turn is not None:
                self.clock = turn
                self.settle()
                continue
            if timer is None or timer.due > until:
                return
            self.timers.remove(timer)
            self.clock = timer.due if self.clock is None else max(self.clock, timer.due)
            timer.fire(timer.due)
            self.settle()

    def turning_moment(self, until: int) -> int | None:
        """The next after now at which a segment turns: days and hours after events, buckets, days of the calendar."""
        if self.clock is None or not self.programme.get("turning"):
            return None
        moments = {at + days * DAY + after for at in self.known_times() for days in range(9) for after in (0, 1)}
        zone = ZoneInfo(self.programme["policies"].get("default_time_zone", "UTC"))
        for days in range(9):
            moments.add((self.now // (DAY // 2) + 1 + days) * (DAY // 2))
        today = moment(self.now).astimezone(zone).date()
        for ahead in (1, 2, 8, 15, 32, 367):
            day = today + timedelta(days=ahead)
            for first in (day, day.replace(day=1), day.replace(month=1, day=1), day - timedelta(days=day.weekday())):
                moments.add(local_moment(first, "00:00", zone))
        clock = self.clock
        try:
            for at in sorted(at for at in moments if clock < at <= until):
                self.clock = at
                if any(self.in_segment(name) != self.within.get(name, False) for name in self.programme["segments"]):
                    return at
        finally:
            self.clock = clock
        return None

    def known_times(self) -> set[int]:
        return {event.occurred_at for event in self.events} | {self.registered_at or 0}

    def set_timer(self, due: int, fire: Any) -> Timer:
        self.timers.append(Timer(due, fire))
        return self.timers[-1]

    def drop(self, timer: Timer | None) -> None:
        if timer in self.timers:
            self.timers.remove(timer)

    # Events

    def handle(self, event: Event) -> bool:
        """Whether it is new."""
        if self.clock is None:
            self.clock = event.occurred_at
        self.fire_until(event.occurred_at)
        self.clock = max(self.clock, event.occurred_at)
        first = self.seen.get((event.source, event.event_id))
        if first is not None and self.clock - first <= 7 * DAY:
            return False
        self.seen[event.source, event.event_id] = self.clock
        self.happen(event)
        self.settle()
        self.fire_until(self.clock)
        return True

    def happen(self, event: Event, *, derived: bool = False) -> None:
        """One event, in the order of the contract (§4.5)."""
        before, self.at_hand = self.at_hand, event
        if not derived:
            self.change_state(event)
        if not event.historical:
            self.cancel_by(event)
            self.answer_by(event)
            self.goals_by(event)
            for campaign in self.campaigns:
                self.trigger_by(campaign, event)
        else:
            self.pending.clear()
        self.at_hand = before

    def settle(self) -> None:
        """Segments entered and left, as events within the handling."""
        self.note_segments()
        while self.pending:
            kind, segment = self.pending.pop(0)
            body = {"segment": segment}
            event = Event(
                event_id=f"{kind}:{segment}",
                type=kind,
                occurred_at=self.now,
                source="segments",
                key=self.key,
                body=body,
            )
            self.happen(event, derived=True)
            self.note_segments()

    def note_segments(self) -> None:
        for segment in sorted(self.programme["segments"]):
            inside = self.in_segment(segment)
            if inside != self.within.get(segment, False):
                self.within[segment] = inside
                self.pending.append(("segment_entered" if inside else "segment_left", segment))

    # Profile, counters, segments

    def change_state(self, event: Event) -> None:
        late = event.occurred_at < self.now
        zone_and_dates = self.date_inputs()
        if not self.known:
            self.known = True
        self.change_profile(event, late=late)
        self.count(event)
        self.events.append(event)
        self.change_cart(event)
        self.reckon_dates(zone_and_dates)
        self.note_segments()

    def change_profile(self, event: Event, *, late: bool) -> None:
        body = event.body
        if event.type in {"registration_completed", "profile_updated"}:
            for field in PROFILE:
                self.put(field, body.get(field), late=late)
            for name, value in (body.get("attributes") or {}).items():
                if not (late and name in self.attributes):
                    self.attributes[name] = value
        if event.type == "registration_completed" and self.registered_at is None:
            self.registered_at = event.occurred_at
        if event.type == "phone_bound":
            self.put("phone", body.get("phone"), late=late)
        if event.type == "email_bound":
            self.put("email", body.get("email"), late=late)
        if event.type == "app_installed":
            self.put("push_token", body.get("push_token"), late=late)
        if event.type in {"status_changed", "status_calculated"}:
            self.put("status", body.get("status"), late=late)
        if event.type == "subscription_changed" and body.get("subscribed") is not None:
            statement = (event.occurred_at, body.get("channel"), body.get("messaging_type"), body["subscribed"])
            self.statements.append(statement)
        if event.type in {"message_complained", "member_unsubscribed"}:
            self.statements.append((event.occurred_at, body.get("channel"), None, False))
        if event.type == "segment_assigned":
            self.lists[body["segment"]] = True
        if event.type == "segment_removed":
            self.lists[body["segment"]] = False

    def put(self, field: str, value: Any, *, late: bool) -> None:
        if value is None or (late and self.profile.get(field) is not None):
            return
        if field == "phone":
            value = normalise_phone(value, self.programme["policies"].get("default_region", "RU"))
        if field == "email":
            value = normalise_email(value)
        self.profile[field] = value

    def count(self, event: Event) -> None:
        for name, counter in self.programme["counters"].items():
            if event.type == counter["event"]:
                if parse(counter.get("where", {})).holds(Looking(self, event.body)):
                    value = event.body.get(counter.get("field", ""))
                    if counter["aggregate"] == "count" or value is not None:
                        self.counted[name].append((event.occurred_at, value))
            elif (
                event.type == "purchase_returned"
                and counter["event"] == "purchase_completed"
                and counter["aggregate"] == "sum"
                and event.body.get("total") is not None
            ):
                self.counted[name].append((event.occurred_at, -event.body["total"]))
        if event.type == "purchase_returned" and event.body.get("total") is not None:
            self.returned.append(event.body["total"])

    def counter(self, name: str) -> Any:
        counter = self.programme["counters"].get(name)
        if counter is None:
            return None
        values = [value for at, value in self.counted[name] if self.is_current(counter, at)]
        if counter["aggregate"] == "count":
            return Decimal(len(values))
        if counter["aggregate"] == "sum":
            return sum(values, Decimal(0))
        if counter["aggregate"] == "max":
            return max(values, default=None)
        return Decimal(len(set(values)))

    def is_current(self, counter: dict[str, Any], at: int) -> bool:
        window = counter.get("window")
        if window is None:
            return True
        if isinstance(window, str):
            step = Duration.parse(counter.get("step", window)).ms
            buckets = -(-Duration.parse(window).ms // step)
            return 0 <= self.now // step - at // step < buckets
        if "tumbling" in window:
            step = Duration.parse(window["tumbling"]).ms
            return self.now // step == at // step
        zone = ZoneInfo(self.programme["policies"].get("default_time_zone", "UTC"))
        then, today = (datetime.fromtimestamp(ms / 1000, zone).date() for ms in (at, self.now))
        if window["calendar"] == "week":
            return then.isocalendar()[:2] == today.isocalendar()[:2]
        if window["calendar"] == "month":
            return (then.year, then.month) == (today.year, today.month)
        return then.year == today.year

    def days_since(self, kind: str) -> Any:
        times = [e.occurred_at for e in self.events if e.type == kind and e is not self.at_hand]
        times = [at for at in times if at < self.now]
        return Decimal((self.now - max(times)) // DAY) if times else None

    def look_up(self, name: str) -> Any:
        if name == "registered_at":
            return None if self.registered_at is None else moment(self.registered_at)
        if name == "days_since_registration":
            return None if self.registered_at is None else Decimal((self.now - self.registered_at) // DAY)
        if name == "age":
            return self.age()
        if name == "time_zone":
            return self.zone.key
        if name.startswith("attributes."):
            return self.attributes.get(name.removeprefix("attributes."))
        if name.startswith("purchases."):
            bought = [e for e in self.events if e.type == "purchase_completed"]
            times = [e.occurred_at for e in bought]
            return {
                "count": Decimal(len(bought)),
                "total": sum((e.body.get("total") or Decimal(0) for e in bought), Decimal(0)) - sum(self.returned),
                "first_at": moment(min(times)) if times else None,
                "last_at": moment(max(times)) if times else None,
            }[name.removeprefix("purchases.")]
        return self.profile.get(name)

    def age(self) -> Any:
        born = self.profile.get("birth_date")
        if born is None:
            return None
        today = moment(self.now).astimezone(self.zone).date()
        return Decimal(today.year - born.year - ((today.month, today.day) < (born.month, born.day)))

    def in_segment(self, segment: str) -> bool:
        if segment == "everyone":
            return True
        if segment in self.lists:
            return self.lists[segment]
        definition = self.programme["segments"].get(segment)
        if definition is None:
            return False
        if "where" in definition:
            return parse(definition["where"]).holds(Looking(self, {}))
        return self.key in definition.get("members", [])

    @property
    def zone(self) -> ZoneInfo:
        policies = self.programme["policies"]
        city = self.profile.get("city")
        of_city = city and city.strip() and zone_of_city(city, policies.get("default_region", "RU"))
        return ZoneInfo(self.profile.get("time_zone") or of_city or policies.get("default_time_zone", "UTC"))

    # Cart

    def change_cart(self, event: Event) -> None:
        body = event.body
        if event.type in {"cart_item_added", "cart_item_removed"} and body.get("sku") is not None:
            self.change_line(event)
            last = event.occurred_at if self.cart_changed is None else max(event.occurred_at, self.cart_changed)
            self.cart_changed = last
            for timer in self.cart_timers.values():
                self.drop(timer)
            for campaign, index, trigger in self.triggers("cart_abandoned"):
                due = Duration.parse(trigger["cart_abandoned"]["after"]).after(last)
                if not (event.historical and due <= self.now):
                    fire = self.cart_event(campaign, index)
                    self.cart_timers[campaign["id"], index] = self.set_timer(due, fire)
        if event.type == "order_placed":
            self.cart.clear()
        if event.type == "purchase_completed":
            for line in body.get("lines") or []:
                self.cart.pop(line.get("sku"), None)
        if not self.cart:
            for timer in self.cart_timers.values():
                self.drop(timer)

    def change_line(self, event: Event) -> None:
        body = event.body
        quantity = body.get("quantity") or Decimal(1)
        line = self.cart.get(body["sku"])
        if event.type == "cart_item_added":
            if line is None:
                line = self.cart[body["sku"]] = {"sku": body["sku"], "quantity": Decimal(0)}
            line["quantity"] += quantity
            for field in ("name", "category", "price", "url", "image"):
                if body.get(field) is not None:
                    line[field] = body[field]
        elif line is not None:
            line["quantity"] -= quantity
            if line["quantity"] <= 0:
                del self.cart[body["sku"]]

    def cart_event(self, campaign: dict[str, Any], index: int) -> Any:
        def fire(due: int) -> None:
            lines = [dict(line) for line in self.cart.values()]
            total = sum((line["quantity"] * (line.get("price") or 0) for line in lines), Decimal(0))
            self.enter_by_timer(campaign, str(index), "cart_abandoned", due, {"lines": lines, "total": total})

        return fire

    # Dates

    def triggers(self, kind: str) -> Iterator[tuple[dict[str, Any], int, dict[str, Any]]]:
        for campaign in self.campaigns:
            for index, trigger in enumerate(campaign["trigger"]):
                if kind in trigger:
                    yield campaign, index, trigger

    def date_inputs(self) -> tuple[Any, ...]:
        return (self.zone.key, self.profile.get("birth_date"), self.registered_at)

    def date_of(self, trigger: dict[str, Any]) -> date | None:
        if trigger["date"] == "registered_at":
            return None if self.registered_at is None else moment(self.registered_at).astimezone(self.zone).date()
        return self.profile.get(trigger["date"])

    def reckon_dates(self, before: tuple[Any, ...]) -> None:
        if before == self.date_inputs():
            return
        for campaign, index, trigger in self.triggers("date"):
            used, timer = self.dates.get((campaign["id"], index), (None, None))
            value = (self.date_of(trigger), self.zone.key)
            if value != used:
                found = self.next_date(campaign, index, trigger)
                if timer in self.timers and found is not None and found.due == timer.due:
                    self.drop(found)
                    found = timer
                else:
                    self.drop(timer)
                self.dates[campaign["id"], index] = (value, found)

    def next_date(self, campaign: dict[str, Any], index: int, trigger: dict[str, Any]) -> Timer | None:
        day = self.date_of(trigger)
        if day is None:
            return None
        offset = Duration.parse(trigger.get("offset", "P0D"))
        for year in range(moment(self.now).year - 3, moment(self.now).year + 4):
            if (campaign["id"], index, year) in self.date_years or year < day.year:
                continue
            occurrence = days_in_year(day, year, offset)
            due = local_moment(occurrence, trigger["at"], self.zone)
            if due > self.now:
                return self.set_timer(due, self.date_event(campaign, index, trigger, year))
        return None

    def date_event(self, campaign: dict[str, Any], index: int, trigger: dict[str, Any], year: int) -> Any:
        def fire(due: int) -> None:
            self.date_years.add((campaign["id"], index, year))
            value, _ = self.dates[campaign["id"], index]
            self.dates[campaign["id"], index] = (value, self.next_date(campaign, index, trigger))
            self.enter_by_timer(campaign, f"{index}/{year}", "date", due, {})

        return fire

    # Entry

    def trigger_by(self, campaign: dict[str, Any], event: Event) -> None:
        for trigger in campaign["trigger"]:
            if event.type in {"segment_entered", "segment_left"} and trigger.get(event.type) == event.body["segment"]:
                self.enter(campaign, event)
                return
            if trigger.get("event") == event.type:
                condition = parse(trigger.get("where", {}), segment_is_field="segment" in event.body)
                if condition.holds(Looking(self, event.body)):
                    self.enter(campaign, event)
                    return

    def enter_by_timer(self, campaign: dict[str, Any], detail: str, kind: str, due: int, body: dict[str, Any]) -> None:
        event = Event(event_id=f"{kind}/{detail}", type=kind, occurred_at=due, source="timer", key=self.key, body=body)
        self.enter(campaign, event)

    def enter(self, campaign: dict[str, Any], event: Event) -> None:
        at, name = event.occurred_at, campaign["id"]
        if campaign.get("status", "live") != "live":
            return self.decide(campaign, None, "refused", "inactive")
        if not parse(campaign.get("audience", {})).holds(Looking(self, event.body, event.body)):
            return self.decide(campaign, None, "refused", "not_in_audience")
        entry = campaign.get("entry", {})
        again, running = entry.get("again", "always"), entry.get("while_running", "ignore")
        entered = self.entries.setdefault(name, [])
        if entered and again == "never":
            return self.decide(campaign, None, "refused", "entered_before")
        if entered and again not in {"always", "never"} and at < Duration.parse(again).after(max(entered)):
            return self.decide(campaign, None, "refused", "entered_before")
        others = [journey for journey in self.journeys if journey.campaign["id"] == name]
        if others and running == "ignore":
            return self.decide(campaign, None, "refused", "already_running")
        if running == "restart":
            if any(journey.entered_at > at for journey in others):
                return self.decide(campaign, None, "refused", "already_running")
            for journey in others:
                self.stop(journey, "superseded", "superseded")
        entered.append(at)
        if share(f"global/{self.key}") < Decimal(repr(self.programme["policies"].get("global_holdout", 0))) or share(
            f"{name}/{self.key}"
        ) < Decimal(repr(campaign.get("holdout", 0))):
            return self.decide(campaign, None, "refused", "holdout")
        journey = Journey(campaign, event)
        self.journeys.append(journey)
        self.journeys.sort(key=lambda journey: journey.entered_at)
        journey.script = self.run_all(journey, campaign["actions"], "actions")
        self.go_on(journey, None)
        return None

    # Journeys

    def cancel_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            if journey.entered_at > event.occurred_at or journey.event is event:
                continue
            for cancel in journey.campaign.get("cancel_on", []):
                if self.comes(cancel, event, journey):
                    self.stop(journey, "cancelled", "cancelled")
                    break

    def answer_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            for message in list(journey.messages):
                self.status_of(message, event)
            wait = journey.waiting
            if (
                wait is not None
                and journey.event is not event
                and wait["began"] <= event.occurred_at
                and self.comes(wait["for"], event, journey)
            ):
                self.drop(journey.timer)
                journey.base = event.occurred_at
                self.go_on(journey, True)

    def goals_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            goal = journey.campaign.get("goal")
            if journey.entered_at > event.occurred_at:  # the text is silent: as with cancels
                continue
            if goal and goal.get("ends") and journey.event is not event and self.comes(goal, event, journey):
                self.stop(journey, "ended", "goal")

    def comes(self, spec: dict[str, Any], event: Event, journey: Journey) -> bool:
        if spec["event"] != event.type:
            return False
        if "of" in spec and event.body.get("dispatch_id") not in journey.named.get(spec["of"], []):
            return False
        condition = parse(spec.get("where", {}), segment_is_field="segment" in event.body)
        return condition.holds(Looking(self, event.body, journey.event.body))

    def stop(self, journey: Journey, outcome: str, reason: str) -> None:
        """The decision names the wait where it stood, else the first message that it takes back."""
        where = journey.stands_at
        if where is None and journey.messages and outcome != "ended":
            where = journey.messages[0].path
        self.drop(journey.timer)
        for message in journey.messages:
            self.drop(message.timer)
        journey.messages.clear()
        journey.over = True
        self.journeys.remove(journey)
        self.decide(journey.campaign, where, outcome, reason)

    def go_on(self, journey: Journey, answer: bool | None) -> None:
        """To the next wait."""
        journey.waiting = journey.timer = journey.stands_at = None
        try:
            due, spec, journey.stands_at = journey.script.send(answer)
        except StopIteration:
            journey.reason = "completed"
        except Ended:
            journey.reason = "exited"
        else:
            journey.waiting = spec and {"for": spec, "began": journey.base}

            def fire(at: int) -> None:
                journey.base = at
                self.go_on(journey, False)

            journey.timer = self.set_timer(due, fire)
        self.end_if_done(journey)

    def end_if_done(self, journey: Journey) -> None:
        if journey.reason and not journey.messages and not journey.over:
            journey.over = True
            self.journeys.remove(journey)
            self.decide(journey.campaign, None, "ended", journey.reason)

    def run_all(self, journey: Journey, actions: list[dict[str, Any]], path: str) -> Iterator[Any]:
        for index, action in enumerate(actions):
            yield from self.run(journey, action, f"{path}[{index}]")

    def run(self, journey: Journey, action: dict[str, Any], path: str) -> Iterator[Any]:
        if "wait" in action:
            yield from self.run_wait(journey, action["wait"], path)
        elif "send" in action:
            send = action["send"]
            message = Message(journey, path, send.get("cascade", [send]), send)
            journey.messages.append(message)
            self.attempt(message)
        elif "award" in action:
            self.award(journey, action["award"], path)
        elif "if" in action:
            branch = "then" if parse(action["if"]).holds(self.looking(journey)) else "else"
            yield from self.run_all(journey, action.get(branch, []), f"{path}.{branch}")
        elif "split" in action:
            at = share(f"{journey.campaign['id']}/{path}/{self.key}")
            for index, branch in enumerate(action["split"]):
                at -= Decimal(repr(branch["percent"]))
                if at < 0:
                    yield from self.run_all(journey, branch["actions"], f"{path}.split[{index}].actions")
                    break
        elif "select" in action:
            if not parse(action["select"]).holds(self.looking(journey)):
                raise Ended
        elif "set" in action:
            self.attributes.update(action["set"])
        elif "add_to" in action:
            self.lists[action["add_to"]] = True
        elif "remove_from" in action:
            self.lists[action["remove_from"]] = False
        elif "exit" in action:
            raise Ended

    def run_wait(self, journey: Journey, wait: Any, path: str) -> Iterator[Any]:
        if isinstance(wait, str):
            yield Duration.parse(wait).after(journey.base), None, path
        elif "until" in wait:
            yield self.next_local(wait["until"], journey.base), None, path
        else:
            answered = yield Duration.parse(wait["timeout"]).after(journey.base), wait["for"], path
            if not answered:
                yield from self.run_all(journey, wait.get("on_timeout", []), f"{path}.on_timeout")

    def next_local(self, at: str, after: int) -> int:
        today = moment(after).astimezone(self.zone).date()
        moments = [local_moment(today + timedelta(days=days), at, self.zone) for days in range(-2, 4)]
        return min(due for due in moments if due > after)

    def looking(self, journey: Journey) -> Looking:
        return Looking(self, journey.event.body, journey.event.body)

    # Awards

    def award(self, journey: Journey, award: dict[str, Any], path: str) -> None:
        campaign = journey.campaign
        limit = award.get("limit")
        if limit:
            standing = [
                at
                for name, where, at in self.awards
                if (name, where) == (campaign["id"], path) and Duration.parse(limit["per"]).after(at) > self.now
            ]
            if len(standing) >= limit["count"]:
                return self.decide(campaign, path, "suppressed", "award_limit")
        self.awards.append((campaign["id"], path, self.now))
        activation = Duration.parse(award.get("activates_in", "P0D")).after(self.now)
        self.output.append(
            {
                "kind": "award",
                "at": self.now,
                "award_id": self.derive(journey, path, 0),
                "campaign": campaign["id"],
                "amount": Decimal(repr(award["amount"])),
                "currency": award["currency"],
                "expires_at": Duration.parse(award["lifetime"]).after(activation) if "lifetime" in award else None,
            }
        )
        return None

    def derive(self, journey: Journey, path: str, step: int) -> str:
        event, campaign = journey.event, journey.campaign
        return derived_id(
            self.key,
            campaign["id"],
            campaign.get("version", 1),
            event.source,
            event.event_id,
            event.occurred_at,
            path,
            step,
        )

    def decide(self, campaign: dict[str, Any], action: str | None, outcome: str, reason: str) -> None:
        decision = {"action": action, "outcome": outcome, "reason": reason}
        self.output.append({"kind": "decision", "at": self.now, "campaign": campaign["id"], **decision})

    # Messages

    def attempt(self, message: Message) -> None:
        """Send the step that it stands at, or put it off, or fall to the next."""
        message.timer, message.sent_at = None, None
        while message.at < len(message.steps):
            step = message.steps[message.at]
            outcome, reason, until = self.check(message, step)
            if outcome != "sent":
                self.decide(message.journey.campaign, message.path, outcome, reason)
            if outcome == "deferred":
                message.timer = self.set_timer(until, lambda _: self.attempt(message))
                return
            if outcome == "sent":
                message.sent_at = self.now
                if message.at + 1 < len(message.steps):
                    due = Duration.parse(step["wait"]).after(self.now)
                    message.timer = self.set_timer(due, lambda _: self.fall(message))
                    return
                break
            message.at += 1
        message.journey.messages.remove(message)
        self.end_if_done(message.journey)

    def fall(self, message: Message) -> None:
        self.drop(message.timer)
        message.at += 1
        self.attempt(message)

    def status_of(self, message: Message, event: Event) -> None:
        if message.sent_at is None or event.occurred_at < message.sent_at:
            return
        if event.body.get("dispatch_id") != self.derive(message.journey, message.path, message.at):
            return
        if event.type in MET[message.steps[message.at].get("until", "delivered")]:
            self.drop(message.timer)
            message.journey.messages.remove(message)
            self.end_if_done(message.journey)
        elif event.type == "message_failed":
            self.fall(message)

    def check(self, message: Message, step: dict[str, Any]) -> tuple[str, str, int]:
        send, policies = message.send, self.programme["policies"]
        kind = step.get("messaging_type", send.get("messaging_type", "marketing"))
        channel, exempt = step["channel"], step["channel"] in {"receipt", "cashier"}
        defaults = {
            "marketing": {"consent": "opt_out"},
            "service": {"consent": "none", "quiet_hours": "exempt", "caps": "exempt"},
        }
        rules = {**defaults, **policies.get("messaging_types", {})}[kind]
        if not self.consents(channel, kind, rules.get("consent", "opt_out")):
            return "suppressed", "unsubscribed", 0
        address = self.profile.get(ADDRESS[channel])
        if not address:
            return "suppressed", "no_address", 0
        expires = step.get("expires", send.get("expires"))
        if expires and self.now > Duration.parse(expires).after(message.action_at):
            return "suppressed", "expired", 0
        if not exempt and rules.get("caps") != "exempt":
            for cap in policies.get("frequency_caps", []):
                free = self.capped_until(cap, channel)
                if free is not None:
                    deferred = cap.get("then", "suppress") == "defer"
                    return ("deferred" if deferred else "suppressed"), "frequency_cap", free
        quiet = policies.get("quiet_hours")
        if quiet and not exempt and rules.get("quiet_hours") != "exempt":
            end = self.quiet_until(quiet)
            if end is not None:
                deferred = quiet.get("then", "defer") == "defer"
                return ("deferred" if deferred else "suppressed"), "quiet_hours", end
        return self.render(message, step, address, kind, counts=not exempt and rules.get("caps") != "exempt")

    def render(
        self, message: Message, step: dict[str, Any], address: str, kind: str, *, counts: bool
    ) -> tuple[str, str, int]:
        journey, channel = message.journey, step["channel"]
        template = self.programme["templates"][step["template"]]
        data = {
            "member": {**self.profile, "attributes": self.attributes},
            "event": journey.event.body,
            "campaign": {"id": journey.campaign["id"]},
            "counter": {name: self.counter(name) for name in self.programme["counters"]},
        }
        try:
            content = {part: LiquidText(template[part]).render(data) for part in PARTS[channel] if part in template}
        except TemplateError:
            return "suppressed", "template_error", 0
        dispatch_id = self.derive(journey, message.path, message.at)
        if "as" in message.send:
            journey.named.setdefault(message.send["as"], []).append(dispatch_id)
        if counts:
            self.sent.append((self.now, channel, kind))
        self.output.append(
            {
                "kind": "dispatch",
                "at": self.now,
                "dispatch_id": dispatch_id,
                "campaign": journey.campaign["id"],
                "version": journey.campaign.get("version", 1),
                "action": message.path,
                "channel": channel,
                "to": address,
                "content": content,
            }
        )
        return "sent", "", 0

    def consents(self, channel: str, kind: str, rule: str) -> bool:
        if rule == "none":
            return True
        covering = [
            (2 * (of_channel is not None) + (of_kind is not None), at, index, subscribed)
            for index, (at, of_channel, of_kind, subscribed) in enumerate(self.statements)
            if of_channel in {None, channel} and of_kind in {None, kind}
        ]
        return max(covering)[-1] if covering else rule == "opt_out"

    def capped_until(self, cap: dict[str, Any], channel: str) -> int | None:
        """When one more fits, if none does now."""
        if cap.get("channel") not in {None, channel}:
            return None
        ends = [Duration.parse(cap["per"]).after(at) for at, of, _ in self.sent if cap.get("channel") in {None, of}]
        ends = sorted(end for end in ends if end > self.now)
        return ends[len(ends) - cap["max"]] if len(ends) >= cap["max"] else None

    def quiet_until(self, quiet: dict[str, Any]) -> int | None:
        """The end of the quiet hours that contain now."""
        today = moment(self.now).astimezone(self.zone).date()
        over_midnight = hours_and_minutes(quiet["to"]) <= hours_and_minutes(quiet["from"])
        for days in range(-2, 3):
            day = today + timedelta(days=days)
            start = local_moment(day, quiet["from"], self.zone)
            end = local_moment(day + timedelta(days=over_midnight), quiet["to"], self.zone)
            if start <= self.now < end:
                return end
        return None


__all__ = ["UTC", "Member"]
