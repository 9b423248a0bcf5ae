"""What the naive model knows of a member: profile, counters, segments, the cart, dates; reckoned anew each time."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from streams.engine.events import Event
from streams.engine.values import Duration
from streams.profile.emails import normalise_email
from streams.profile.phones import normalise_phone
from streams.profile.zones import zone_of_city
from tests.model.local_time import days_in_year, local_moment, moment
from tests.model.parts import DAY, PROFILE, Journey, Looking, Timer, parse


class Knowledge:
    """A member's state; time, journeys and messages are added by those who inherit it."""

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
