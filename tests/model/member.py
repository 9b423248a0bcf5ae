"""A second implementation of the contract, as plain as can be: one member, lists of everything, nothing indexed.

Written from the contract's text, not from the engine: what both say alike is probably what the text says. It shares
with the engine only what isn't semantics: the parsing of conditions, durations and Liquid, and the format of ids. A
value is reckoned anew from every event that was ever handled.
"""

from datetime import date, timedelta
from typing import Any

from streams.engine.events import Event
from tests.model.journeys import Journeys
from tests.model.knowledge import leap
from tests.model.local_time import local_moment, moment
from tests.model.parts import DAY, Journey, Looking, Timer, parse

OUTAGE = 5 * 60_000
LISTS = {"segment_assigned", "segment_removed"}
OF_OTHERS = {
    *("message_sent", "message_delivered", "message_opened", "message_clicked", "message_failed", "status_calculated"),
    *("bonus_activated", "bonus_expired", "bonus_cancelled", "purchase_returned", "order_cancelled"),
    "friend_purchase_completed",
}
TURN_BY_TIME = ("days_since", "counter.", "member.age", "member.bonus")


class Member(Journeys):
    """Time and events of a member."""

    # Time

    def fire_until(self, until: int, *, tick: int | None = None) -> None:
        """In order of due, then in the order in which they were set: the list is in that order, and `min` is stable.

        In between, at every moment at which time alone may change a segment, segments are looked at, before whatever
        else is due then. `tick`: when a tick of the clock finds what is due.
        """
        while True:
            timer = min(self.timers, key=lambda timer: timer.due, default=None)
            due = None if timer is None or timer.due > until else timer.due
            turn = self.turning_moment(until if due is None else due)
            if turn is not None:
                self.clock = max(self.now, self.happens_at(turn, tick))
                self.settle()
            elif timer is None or due is None:
                return
            else:
                self.timers.remove(timer)
                self.fire(timer, tick)

    def fire(self, timer: Timer, tick: int | None) -> None:
        campaign = timer.journey and self.in_force(timer.journey.campaign)
        if campaign and campaign.get("status") == "paused":
            self.parked.append(timer)
            return
        at = self.happens_at(timer.due, tick)
        self.clock = at if self.clock is None else max(self.clock, at)
        timer.fire(timer.due, at)
        self.settle()

    def happens_at(self, due: int, tick: int | None) -> int:
        return tick if tick is not None and tick - due > OUTAGE else due

    def turning_moment(self, until: int) -> int | None:
        """The next after now at which a segment turns: days and hours after events, buckets, days of the calendar."""
        if self.clock is None or not self.known:  # nobody yet, or nobody any more
            return None
        if not any(name in repr(self.programme["segments"]) for name in TURN_BY_TIME):
            return None
        moments = {at + days * DAY + after for at in self.known_times() for days in range(9) for after in (0, 1)}
        for days in range(9):
            moments.add((self.now // (DAY // 2) + 1 + days) * (DAY // 2))
        today = moment(self.now).astimezone(self.programme_zone).date()
        for ahead in (1, 2, 8, 15, 32, 367):
            day = today + timedelta(days=ahead)
            for first in (day, day.replace(day=1), day.replace(month=1, day=1), day - timedelta(days=day.weekday())):
                moments.add(local_moment(first, "00:00", self.programme_zone))
        moments |= {at for each in self.accruals for at in (each["activates_in"], each["expires_in"]) if at is not None}
        born = self.profile.get("birth_date")
        for year in range(today.year - 1, today.year + 3) if born else []:
            day = date(year, 2, 28) if (born.month, born.day) == (2, 29) and not leap(year) else born.replace(year=year)
            moments.add(local_moment(day, "00:00", self.zone))
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

    def tick(self, at: int, *, wall: bool) -> None:
        self.fire_until(at, tick=at if wall else None)
        self.clock = at if self.clock is None else max(self.clock, at)

    def adopt(self, programmes: list[dict[str, Any]], at: int) -> None:
        """The last of `programmes` comes into force; what was due before was the earlier one's."""
        self.fire_until(at)
        self.clock = at if self.clock is None else max(self.clock, at)
        before, self.programmes = self.programme, programmes
        if not self.known:
            return
        counters = self.programme["counters"]
        for name in list(self.counted):
            if counters.get(name) != before["counters"].get(name):
                del self.counted[name]
        for journey in list(self.journeys):
            self.carry_over(journey)
        self.set_cart_timers(only_ahead=True)
        self.set_bonus_timers(since=self.now + 1)
        self.set_date_timers()
        self.set_schedule_timers()
        self.within = {name: inside for name, inside in self.within.items() if name in self.programme["segments"]}
        self.note_segments(silently=True)
        for name, _, _ in self.triggers("now"):
            self.mail_now(name)
        self.settle()
        waiting, self.parked = sorted(self.parked, key=lambda timer: timer.due), []
        for timer in waiting:
            timer.due = max(timer.due, self.now)
            self.timers.append(timer)
        self.fire_until(self.now)

    def mail_now(self, name: str) -> None:
        campaign = self.in_force(name)
        assert campaign is not None
        mark = (name, campaign.get("version", 1), "now")
        if mark not in self.mailed:
            if self.admits(campaign, self.now):
                self.mailed[mark] = True
            self.enter_by_timer(name, "", "now", self.now, self.now, {})

    # Events

    def handle(self, event: Event) -> bool:
        """Whether it is new."""
        now = event.occurred_at if self.clock is None else max(self.clock, event.occurred_at)
        first = self.seen.get((event.source, event.event_id))
        if first is not None and now - first <= 7 * DAY:
            return False
        if self.clock is not None:
            self.fire_until(event.occurred_at)
        self.clock = now
        self.seen[event.source, event.event_id] = now
        if event.type == "member_erased":
            for journey in list(self.journeys):
                self.stop(journey, "cancelled", "member_erased")
            self.forget()
            self.erased_at = max(event.occurred_at, self.erased_at or event.occurred_at)
            return True
        if self.erased_at is not None and self.is_over(event, self.erased_at):
            return True
        if not self.known:
            self.known = True
            self.set_schedule_timers()
        self.at_hand = event
        self.happen(event)
        self.settle()  # within the handling: what it does to segments finds it at hand, still
        self.at_hand = None
        if event.historical:  # over, a late one counts for days since; that triggers nothing either
            self.note_segments(silently=True)
        self.settle()
        self.fire_until(self.now)
        return True

    def is_over(self, event: Event, erased_at: int) -> bool:
        """Of the time before the member was erased; or others say it, and nobody is there yet. A no and lists stay."""
        if event.type == "members_merged":
            return False
        if self.known or event.occurred_at <= erased_at:
            return event.occurred_at <= erased_at
        says_no = event.type == "subscription_changed" and not event.body.get("subscribed")
        if says_no or event.type in {"member_unsubscribed", "message_complained"} | LISTS:
            self.change_profile(event, late=event.occurred_at < self.now)
            return True
        return event.type in OF_OTHERS

    def happen(self, event: Event, *, derived: bool = False) -> None:
        """One event, in the order of the contract (§4.5)."""
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

    def change_state(self, event: Event) -> None:
        dates = self.date_inputs()
        self.change_profile(event, late=event.occurred_at < self.now)
        self.events.append(event)
        self.change_cart(event)
        self.change_bonus(event)
        self.count(event)  # whose conditions see the member as the event leaves them: purchases and bonus, too
        self.attribute(event)
        if self.date_inputs() != dates:
            if not event.type.startswith("bonus"):
                self.set_bonus_timers(since=self.now + 1)
            self.set_date_timers()
            self.set_schedule_timers(moved=True)
        self.note_segments()

    def date_inputs(self) -> tuple[Any, ...]:
        return (self.zone.key, self.profile.get("birth_date"), self.registered_at)

    def settle(self) -> None:
        """Segments entered and left, as events within the handling."""
        self.note_segments()
        while self.pending:
            kind, segment = self.pending.pop(0)
            body = {"segment": segment}
            name = f"{kind}:{segment}"
            derived = Event(event_id=name, type=kind, occurred_at=self.now, source="segments", key=self.key, body=body)
            self.happen(derived, derived=True)
            self.note_segments()

    def trigger_by(self, campaign: dict[str, Any], event: Event) -> None:
        for trigger in campaign["trigger"]:
            if event.type in {"segment_entered", "segment_left"} and trigger.get(event.type) == event.body["segment"]:
                return self.enter(campaign, event, event.occurred_at)
            if trigger.get("event") == event.type:
                condition = parse(trigger.get("where", {}), segment_is_field="segment" in event.body)
                if condition.holds(Looking(self, event.body, event.body)):
                    return self.enter(campaign, event, event.occurred_at)
        return None

    def cancel_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            if journey.entered_at > event.occurred_at or journey.event is event:
                continue
            for cancel in self.stated(journey).get("cancel_on", []):
                if self.comes(cancel, event, journey):
                    self.stop(journey, "cancelled", "cancelled")
                    break

    def answer_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            if journey.event is event:
                continue
            for message in list(journey.messages):
                self.status_of(message, event)
            if (
                journey.waiting is not None
                and journey.began <= event.occurred_at
                and self.comes(journey.waiting, event, journey)
            ):
                self.drop(journey.timer)
                journey.base = event.occurred_at
                self.go_on(journey, True)

    def goals_by(self, event: Event) -> None:
        for journey in list(self.journeys):
            goal = self.stated(journey).get("goal")
            if journey.entered_at > event.occurred_at:  # the text is silent: as with cancels
                continue
            if goal and goal.get("ends") and journey.event is not event and self.comes(goal, event, journey):
                self.stop(journey, "ended", "goal")

    def stated(self, journey: Journey) -> dict[str, Any]:
        campaign = self.definition(journey)
        assert campaign is not None
        return campaign

    def comes(self, spec: dict[str, Any], event: Event, journey: Journey) -> bool:
        if spec["event"] != event.type:
            return False
        if "of" in spec and event.body.get("dispatch_id") not in journey.named.get(spec["of"], []):
            return False
        condition = parse(spec.get("where", {}), segment_is_field="segment" in event.body)
        return condition.holds(Looking(self, event.body, journey.event.body))
