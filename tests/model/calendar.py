"""The naive model's timers that are set by what is known: the cart's, bonus notices, yearly dates, mailings."""

from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from streams.engine.events import Event
from streams.engine.values import Duration
from tests.model.knowledge import Knowledge
from tests.model.local_time import cron_moments, days_in_year, local_moment, moment
from tests.model.parts import DAY, Timer

Wanted = dict[tuple[Any, ...], tuple[int, Callable[[int, int], None]]]


class Calendar(Knowledge):
    """Cart, bonus, dates, mailings."""

    def set_timer(self, due: int, fire: Callable[[int, int], None], **more: Any) -> Timer:
        self.timers.append(Timer(due, fire, **more))
        return self.timers[-1]

    def drop(self, timer: Timer | None) -> None:
        for timers in (self.timers, self.parked):
            if timer in timers:
                timers.remove(timer)

    def reset(self, kind: str, wanted: Wanted) -> None:
        """Have just these timers of the kind; one that stays as it is keeps its place among those of equal due."""
        for timer in list(self.timers):
            if timer.place[:1] == (kind,) and wanted.get(timer.place, (None,))[0] != timer.due:
                self.drop(timer)
        standing = {timer.place: timer for timer in self.timers}
        for place, (due, fire) in wanted.items():
            if place in standing:
                standing[place].fire = fire
            else:
                self.set_timer(due, fire, place=place)

    def enter_by_timer(self, campaign_id: str, detail: str, kind: str, due: int, at: int, body: dict[str, Any]) -> None:
        raise NotImplementedError

    # Cart

    def change_cart(self, event: Event) -> None:
        body = event.body
        if event.type in {"cart_item_added", "cart_item_removed"} and body.get("sku") is not None:
            self.change_line(event)
            last = event.occurred_at if self.cart_changed is None else max(event.occurred_at, self.cart_changed)
            self.cart_changed = last
            self.reset("cart", {})
            self.set_cart_timers(only_ahead=event.historical)
        if event.type == "order_placed":
            self.cart.clear()
        if event.type == "purchase_completed":
            for line in body.get("lines") or []:
                self.cart.pop(line.get("sku"), None)
        if not self.cart:
            self.reset("cart", {})

    def set_cart_timers(self, *, only_ahead: bool, only: set[tuple[Any, ...]] | None = None) -> None:
        wanted: Wanted = {}
        for campaign, index, trigger in self.triggers("cart_abandoned"):
            if self.cart and self.cart_changed is not None:
                due = Duration.parse(trigger["cart_abandoned"]["after"]).after(self.cart_changed)
                if (due > self.now or not only_ahead) and (only is None or ("cart", campaign, index) in only):
                    wanted["cart", campaign, index] = (due, self.cart_event(campaign, index))
        self.reset("cart", wanted)

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

    def cart_event(self, campaign: str, index: int) -> Callable[[int, int], None]:
        def fire(due: int, at: int) -> None:
            lines = [dict(line) for line in self.cart.values()]
            total = sum((line["quantity"] * (line.get("price") or 0) for line in lines), Decimal(0))
            body = {"lines": lines, "total": total}
            self.enter_by_timer(campaign, str(index), "cart_abandoned", due, at, body)

        return fire

    # Bonus

    def change_bonus(self, event: Event) -> None:
        body = event.body
        if event.type == "bonus_paid":
            self.pay(event)
            return
        if event.type not in {"bonus_accrued", "bonus_activated", "bonus_expired", "bonus_cancelled"}:
            return
        found = next((each for each in self.accruals if each["id"] == body.get("accrual_id")), None)
        if event.type == "bonus_accrued" and found is None:
            activates, expires = (body.get(name) for name in ("activates_at", "expires_at"))
            self.accruals.append(
                {
                    "id": body["accrual_id"],
                    "amount": body["amount"],
                    "currency": body.get("currency") or "points",
                    "made": event.occurred_at,
                    "activates_in": event.occurred_at if activates is None else ms(activates),
                    "expires_in": None if expires is None else ms(expires),
                    "spent": Decimal(0),
                    "cancelled": False,
                }
            )
        elif found is not None and event.type == "bonus_activated":
            found["activates_in"] = event.occurred_at
        elif found is not None and event.type == "bonus_expired":
            found["expires_in"] = event.occurred_at
        elif found is not None and event.type == "bonus_cancelled":
            found["cancelled"] = True
        self.set_bonus_timers(since=self.now + 1 if event.historical else event.occurred_at)

    def active(self, currency: str, at: int) -> list[dict[str, Any]]:
        return [
            each
            for each in self.accruals
            if each["currency"] == currency and not each["cancelled"] and each["activates_in"] <= at
            if each["expires_in"] is None or at < each["expires_in"]
        ]

    def balance(self, currency: str) -> Decimal:
        return sum((each["amount"] - each["spent"] for each in self.active(currency, self.now)), Decimal(0))

    def pay(self, event: Event) -> None:
        left = event.body.get("amount") or Decimal(0)
        first = self.active(event.body.get("currency") or "points", event.occurred_at)
        for each in sorted(first, key=lambda a: (a["expires_in"] or 10**18, a["activates_in"], a["id"])):
            taken = min(left, each["amount"] - each["spent"])
            each["spent"] += taken
            left -= taken

    def set_bonus_timers(self, since: int) -> None:
        """Notices that come at or after `since`, and before what they are of."""
        wanted: Wanted = {}
        for campaign, index, trigger in self.triggers("bonus"):
            days: dict[date, list[int]] = {}
            for each, day in self.announced(trigger["bonus"]):
                days.setdefault(day, []).append(each)
            for day, moments in sorted(days.items()):
                due = self.notice_due(trigger["bonus"], day, min(moments))
                place = ("bonus", campaign, index, day)
                if due >= since and min(moments) > self.now and place not in self.noticed:
                    wanted[place] = (due, self.bonus_event(campaign, index, trigger["bonus"], day))
        self.reset("bonus", wanted)

    def announced(self, trigger: dict[str, Any]) -> Iterator[tuple[int, date]]:
        for each in self.counting(trigger):
            at = each[lead_of(trigger)]
            yield at, moment(at).astimezone(self.programme_zone).date()

    def counting(self, trigger: dict[str, Any]) -> list[dict[str, Any]]:
        """The accruals that are made early enough for the notice."""
        name = lead_of(trigger)
        of_currency = [each for each in self.accruals if each["currency"] == trigger.get("currency", "points")]
        return [
            each
            for each in of_currency
            if not each["cancelled"] and each[name] is not None
            if Duration.parse(trigger[name]).before(each[name]) >= each["made"]
        ]

    def notice_due(self, trigger: dict[str, Any], day: date, first: int) -> int:
        lead = Duration.parse(trigger[lead_of(trigger)])
        if "at" not in trigger:
            return lead.before(first)
        return local_moment(day - timedelta(days=lead.ms // DAY), trigger["at"], self.zone)

    def bonus_event(self, campaign: str, index: int, trigger: dict[str, Any], day: date) -> Callable[[int, int], None]:
        def fire(due: int, at: int) -> None:
            self.noticed.add(("bonus", campaign, index, day))
            name, zone = lead_of(trigger), self.programme_zone
            of_day = [a for a in self.counting(trigger) if moment(a[name]).astimezone(zone).date() == day]
            amount = sum((each["amount"] - each["spent"] for each in of_day), Decimal(0))
            if amount > 0 and amount >= Decimal(str(trigger.get("minimum", 0))):
                body = {"amount": amount, "currency": trigger.get("currency", "points")}
                self.enter_by_timer(campaign, f"{index}/{day}", "bonus", due, at, body)

        return fire

    # Dates

    def date_of(self, trigger: dict[str, Any]) -> date | None:
        if trigger["date"] == "registered_at":
            return None if self.registered_at is None else moment(self.registered_at).astimezone(self.zone).date()
        return self.profile.get(trigger["date"])

    def set_date_timers(self, only: tuple[str, int] | None = None, since: int | None = None) -> None:
        """The next occurrence of each; `only`: of the one that has come, as others may have come with it."""
        wanted: Wanted = {}
        for campaign, index, trigger in self.triggers("date"):
            standing = next((timer for timer in self.timers if timer.place == ("date", campaign, index)), None)
            if only is None or only == (campaign, index):
                found = self.next_date(campaign, index, trigger, self.now + 1 if since is None else since)
                if found is not None:
                    wanted["date", campaign, index] = (found[1], self.date_event(campaign, index, found[0]))
            elif standing is not None:
                wanted[standing.place] = (standing.due, standing.fire)
        self.reset("date", wanted)

    def next_date(self, campaign: str, index: int, trigger: dict[str, Any], since: int) -> tuple[int, int] | None:
        day = self.date_of(trigger)
        if day is None:
            return None
        offset = Duration.parse(trigger.get("offset", "P0D"))
        for year in range(moment(self.now).year - 3, moment(self.now).year + 4):
            if (campaign, index, year) in self.date_years or year < day.year:
                continue
            due = local_moment(days_in_year(day, year, offset), trigger["at"], self.zone)
            if due >= since:
                return year, due
        return None

    def date_event(self, campaign: str, index: int, year: int) -> Callable[[int, int], None]:
        def fire(due: int, at: int) -> None:
            self.date_years.add((campaign, index, year))
            self.set_date_timers(only=(campaign, index))
            self.enter_by_timer(campaign, f"{index}/{year}", "date", due, at, {})

        return fire

    # Mailings

    def set_schedule_timers(self, *, moved: bool = False, since: int | None = None) -> None:
        """`moved`: the member's zone may be another, which matters to mailings that go by it."""
        wanted: Wanted = {}
        for campaign, index, trigger in self.triggers("schedule"):
            place = ("schedule", campaign, index)
            standing = next((timer for timer in self.timers if timer.place == place), None)
            if moved and trigger["schedule"].get("zone") != "member":
                if standing is not None:
                    wanted[place] = (standing.due, standing.fire)
                continue
            due = self.next_mailing(trigger["schedule"], since)
            if due is not None:
                wanted[place] = (due, self.mailing(campaign, index, trigger["schedule"]))
        self.reset("schedule", wanted)

    def mailing_zone(self, schedule: dict[str, Any]) -> ZoneInfo:
        name = schedule.get("zone")
        return self.programme_zone if name is None else self.zone if name == "member" else ZoneInfo(name)

    def next_mailing(self, schedule: dict[str, Any], since: int | None = None) -> int | None:
        first = self.now + 1 if since is None else since
        zone = self.mailing_zone(schedule)
        if "at" in schedule:
            local = datetime.fromisoformat(schedule["at"])
            due = local_moment(local.date(), schedule["at"][11:16], zone)
            return due if due >= first else None
        return min(at for at in cron_moments(schedule["cron"], self.now, zone) if at >= first)

    def mailing(self, campaign: str, index: int, schedule: dict[str, Any]) -> Callable[[int, int], None]:
        def fire(due: int, at: int) -> None:
            following = self.next_mailing(schedule)
            if following is not None:
                place = ("schedule", campaign, index)
                self.set_timer(following, self.mailing(campaign, index, schedule), place=place)
            definition = self.in_force(campaign)
            assert definition is not None
            mark = (campaign, definition.get("version", 1), index)
            local = moment(due).astimezone(self.mailing_zone(schedule)).replace(tzinfo=None)
            if mark not in self.mailed or self.mailed[mark] < local:  # not again after a move to the west
                self.mailed[mark] = local
                self.enter_by_timer(campaign, str(index), "schedule", due, at, {})

        return fire


def lead_of(trigger: dict[str, Any]) -> str:
    return "activates_in" if "activates_in" in trigger else "expires_in"


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
