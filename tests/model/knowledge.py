"""What the naive model knows of a member: profile, consent, counters, segments; reckoned anew each time it is asked."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from streams.engine.events import Event
from streams.engine.values import Duration
from streams.profile.emails import normalise_email
from streams.profile.phones import normalise_phone
from streams.profile.zones import zone_of_city
from tests.model.local_time import moment
from tests.model.parts import ADDRESS, DAY, PROFILE, Journey, Looking, Timer, parse


class Knowledge:
    """A member's state; goods, dates, messages, journeys and time are added by those who inherit it.

    `programmes` are all that were applied, oldest first, the last of them in force; an earlier one still has the
    versions that journeys entered with, and their templates and polls.
    """

    def __init__(self, programmes: list[dict[str, Any]], key: str) -> None:
        self.programmes, self.key = programmes, key
        self.clock: int | None = None
        self.erased_at: int | None = None
        self.output: list[dict[str, Any]] = []
        self.seen: dict[tuple[str, str], int] = {}
        self.mailed: dict[tuple[Any, ...], Any] = {}
        self.date_years: set[tuple[str, int, int]] = set()
        self.forget()

    def forget(self) -> None:
        """Nothing is known of the member."""
        self.known = False
        self.timers: list[Timer] = []
        self.parked: list[Timer] = []
        self.events: list[Event] = []
        self.at_hand: Event | None = None
        self.profile: dict[str, Any] = {}
        self.attributes: dict[str, Any] = {}
        self.social: dict[str, str] = {}
        self.dead: set[tuple[str, str]] = set()  # channel and address
        self.moved: dict[str, int] = {}
        self.registered_at: int | None = None
        self.counted: dict[str, list[tuple[int, Any, Event]]] = {}
        self.cancelled_orders: list[Event] = []
        self.statements: list[tuple[int, Any, Any, bool]] = []
        self.journeys: list[Journey] = []
        self.entries: dict[str, list[int]] = {}
        self.sent: list[tuple[int, str]] = []
        self.awards: list[tuple[str, str, int]] = []
        self.lists: dict[str, bool] = {}
        self.within: dict[str, bool] = {}
        self.pending: list[tuple[str, str]] = []
        self.cart: dict[str, dict[str, Any]] = {}
        self.cart_changed: int | None = None
        self.accruals: list[dict[str, Any]] = []
        self.noticed: set[tuple[Any, ...]] = set()
        self.owed: list[dict[str, Any]] = []
        self.purchases_made: list[dict[str, Any]] = []

    # Time and the programme

    @property
    def now(self) -> int:
        assert self.clock is not None
        return self.clock

    @property
    def programme(self) -> dict[str, Any]:
        return self.programmes[-1]

    @property
    def campaigns(self) -> list[dict[str, Any]]:
        """Those in force, in order of priority, then id."""
        return sorted(self.programme["campaigns"], key=lambda c: (-c.get("priority", 0), c["id"]))

    def in_force(self, campaign_id: str) -> dict[str, Any] | None:
        return next((each for each in self.programme["campaigns"] if each["id"] == campaign_id), None)

    def definition(self, journey: Journey) -> dict[str, Any] | None:
        """The version that a journey runs, as it was stated last."""
        for programme in reversed(self.programmes):
            for campaign in programme["campaigns"]:
                if (campaign["id"], campaign.get("version", 1)) == (journey.campaign, journey.version):
                    return campaign
        return None

    def newest(self, what: str, name: str) -> Any:
        """A template or poll, of the latest programme that has it."""
        return next((each[what][name] for each in reversed(self.programmes) if name in each.get(what, {})), None)

    def triggers(self, kind: str) -> Iterator[tuple[str, int, dict[str, Any]]]:
        for campaign in self.campaigns:
            for index, trigger in enumerate(campaign["trigger"]):
                if kind in trigger:
                    yield campaign["id"], index, trigger

    @property
    def programme_zone(self) -> ZoneInfo:
        return ZoneInfo(self.programme["policies"].get("default_time_zone", "Europe/Moscow"))

    @property
    def zone(self) -> ZoneInfo:
        policies = self.programme["policies"]
        city = self.profile.get("city")
        of_city = city and zone_of_city(city, policies.get("default_region", "RU"))
        name = self.profile.get("time_zone") or of_city
        return ZoneInfo(name) if name else self.programme_zone

    # Profile

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
        if event.type in {"phone_bound", "email_bound"}:
            self.put("phone", body.get("phone"), late=late)
            self.put("email", body.get("email"), late=late)
        self.bury_or_revive(event, late=late)
        fields = {"card_issued": "card_number", "status_changed": "status", "status_calculated": "status"}
        if event.type in fields:
            self.put(fields[event.type], body.get(fields[event.type]), late=late)
        if event.type == "app_installed":
            self.put("push_token", body.get("push_token"), late=late)
            self.put("platform", body.get("platform"), late=late)
        if (
            event.type == "social_profile_linked"
            and body.get("network")
            and body.get("profile_id")
            and not (late and body["network"] in self.social)
        ):
            self.social[body["network"]] = body["profile_id"]
        if event.type == "subscription_changed" and body.get("subscribed") is not None:
            statement = (event.occurred_at, channel_of(body), self.type_of(body), body["subscribed"])
            self.statements.append(statement)
        if event.type in {"message_complained", "member_unsubscribed"}:
            self.statements.append((event.occurred_at, channel_of(body), None, False))
        if event.type == "segment_assigned":
            self.lists[body["segment"]] = True
        if event.type == "segment_removed":
            self.lists[body["segment"]] = False

    def type_of(self, body: dict[str, Any]) -> str | None:
        """The messaging type that a statement is about, however it is written; None is all of them."""
        named = body.get("messaging_type")
        stated = {"marketing", "service", *self.programme["policies"].get("messaging_types", {})}
        alike = sorted(name for name in stated if named is not None and name.lower() == named.strip().lower())
        return named if named in stated or not alike else alike[0]

    def put(self, field: str, value: Any, *, late: bool) -> None:
        if value is None or (late and self.profile.get(field) is not None):
            return
        if field == "phone":
            value = normalise_phone(value, self.programme["policies"].get("default_region", "RU"))
        if field == "email":
            value = normalise_email(value)
        if field in {"gender", "city"}:
            value = value.strip() or None
        before, self.profile[field] = self.profile.get(field), value
        if before != value and field in ADDRESS.values():
            self.dead = {(channel, to) for channel, to in self.dead if ADDRESS[channel] != field}
            if before is not None:
                self.moved[field] = self.now

    def bury_or_revive(self, event: Event, *, late: bool) -> None:
        """An address that failed is dead, unless the one before it may be meant; one that is bound lives."""
        body, at = event.body, event.occurred_at
        if event.type in {"phone_bound", "email_bound", "app_installed"} and not late:
            given = {ADDRESS[channel] for channel in ADDRESS if body.get(ADDRESS[channel]) is not None}
            self.dead = {(channel, to) for channel, to in self.dead if ADDRESS[channel] not in given}
        if event.type == "message_failed" and body.get("reason") in {"address_rejected", "invalid_address"}:
            field = ADDRESS.get(body.get("channel"), "")
            if self.profile.get(field) and at - self.moved.get(field, at - DAY) >= DAY:
                self.dead.add((body["channel"], self.profile[field]))

    # Counters

    def count(self, event: Event) -> None:
        for name, counter in self.programme["counters"].items():
            counted = self.counted.setdefault(name, [])
            if event.type == counter["event"] and parse(counter.get("where", {})).holds(Looking(self, event.body)):
                value = event.body.get(counter.get("field", ""))
                if counter["aggregate"] == "count" or value is not None:
                    counted.append((event.occurred_at, value, event))
            elif counter["aggregate"] == "sum":
                for value in self.taken_back(name, counter, event):
                    counted.append((event.occurred_at, -value, event))
        if event.type == "order_cancelled":
            self.cancelled_orders += self.cancelled_order(event)

    def taken_back(self, name: str, counter: dict[str, Any], event: Event) -> list[Decimal]:
        """What a return or a cancelled order lowers the counter by."""
        total, counts = event.body.get("total"), parse(counter.get("where", {})).holds(Looking(self, event.body))
        if event.type == "purchase_returned" and counter["event"] == "purchase_completed":
            return [total] if total is not None and counts else []
        if event.type == "order_cancelled" and counter["event"] == "order_placed":
            cancelled = self.cancelled_order(event)
            return [value for _, value, placed in self.counted[name] if placed in cancelled]
        return []

    def cancelled_order(self, event: Event) -> list[Event]:
        """The first order of that id that stands."""
        orders = [
            each
            for each in self.events
            if each.type == "order_placed"
            and each.body.get("order_id") is not None
            and each.body["order_id"] == event.body.get("order_id")
            and not any(each is other for other in self.cancelled_orders)
        ]
        return orders[:1]

    def counter(self, name: str) -> Any:
        counter = self.programme["counters"].get(name)
        if counter is None:
            return None
        values = [value for at, value, _ in self.counted.get(name, []) if self.is_current(counter, at)]
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
        then, today = (datetime.fromtimestamp(ms / 1000, self.programme_zone).date() for ms in (at, self.now))
        if window["calendar"] == "week":
            return then.isocalendar()[:2] == today.isocalendar()[:2]
        if window["calendar"] == "month":
            return (then.year, then.month) == (today.year, today.month)
        return then.year == today.year

    # What conditions and templates ask

    def days_since(self, kind: str) -> Any:
        times = [e.occurred_at for e in self.events if e.type == kind and e is not self.at_hand]
        times = [at for at in times if at < self.now]
        return Decimal((self.now - max(times)) // DAY) if times else None

    def look_up(self, name: str) -> Any:
        head, _, rest = name.partition(".")
        if name == "id":
            return self.key
        if name == "registered_at":
            return None if self.registered_at is None else moment(self.registered_at)
        if name == "days_since_registration":
            return None if self.registered_at is None else Decimal((self.now - self.registered_at) // DAY)
        if name == "age":
            return self.age()
        if name == "time_zone":
            return self.zone.key
        if head == "attributes" and rest:
            return self.attributes.get(rest)
        if head == "bonus":
            return self.balance(rest)
        if head == "purchases":
            return self.purchases()[rest]
        return self.profile.get(name)

    def purchases(self) -> dict[str, Any]:
        bought = [e for e in self.events if e.type == "purchase_completed"]
        back = [e for e in self.events if e.type == "purchase_returned"]
        times = [e.occurred_at for e in bought]
        total, returned = (
            sum((e.body.get("total") or Decimal(0) for e in each), Decimal(0)) for each in (bought, back)
        )
        return {
            "count": Decimal(len(bought)),
            "total": total - returned,
            "first_at": moment(min(times)) if times else None,
            "last_at": moment(max(times)) if times else None,
        }

    def balance(self, currency: str) -> Decimal:
        raise NotImplementedError

    def age(self) -> Any:
        born = self.profile.get("birth_date")
        if born is None:
            return None
        today = moment(self.now).astimezone(self.zone).date()
        had = (born.month, born.day) if (born.month, born.day) != (2, 29) or leap(today.year) else (2, 28)
        return Decimal(today.year - born.year - ((today.month, today.day) < had))

    # Segments

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

    def note_segments(self, *, silently: bool = False) -> None:
        for segment in sorted(self.programme["segments"]):
            inside = self.in_segment(segment)
            if inside != self.within.get(segment, False):
                self.within[segment] = inside
                if not silently:
                    self.pending.append(("segment_entered" if inside else "segment_left", segment))


def leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def channel_of(body: dict[str, Any]) -> str | None:
    """The channel that a statement is about; None is all of them, and one that there isn't covers no message."""
    channel = body.get("channel")
    return None if channel is None else str(channel).strip().lower()
