"""A second implementation of the contract, as plain as can be: one member, lists of everything, nothing indexed.

Written from the contract's text, not from the engine: what both say alike is probably what the text says. It shares
with the engine only what isn't semantics: the parsing of conditions, durations and Liquid, and the format of ids.
A journey is a Python generator over its actions, which yields at each wait; a value is reckoned anew from every event
that was ever handled.
"""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from streams.engine.events import Event
from streams.engine.ids import share
from streams.engine.values import Duration
from tests.model.local_time import local_moment, moment
from tests.model.messages import Messages
from tests.model.parts import DAY, Ended, Journey, Looking, Message, Timer, parse


class Member(Messages):
    """Time, events and journeys of a member."""

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
