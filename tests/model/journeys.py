"""The naive model's journeys: entry, one action after the other, what ends them, what becomes of them in an edit.

A journey is a Python generator over its actions, which yields at each wait.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from streams.engine.events import Event
from streams.engine.ids import share
from streams.engine.values import Duration
from tests.model import bounds
from tests.model.attribution import Attribution
from tests.model.local_time import local_moment, moment
from tests.model.parts import MESSAGES, Ended, Journey, Looking, Message, TooMuch, parse


class Journeys(Attribution):
    """Entry and journeys of a member."""

    # Entry

    def enter_by_timer(self, campaign_id: str, detail: str, kind: str, due: int, at: int, body: dict[str, Any]) -> None:
        campaign = self.in_force(campaign_id)
        assert campaign is not None
        name = f"{kind}/{detail}" if detail else kind
        event = Event(event_id=name, type=kind, occurred_at=due, source="timer", key=self.key, body=body)
        self.enter(campaign, event, at)

    def admits(self, campaign: dict[str, Any], at: int) -> bool:
        active = {name: self.stated_moment(text) for name, text in campaign.get("active", {}).items()}
        if campaign.get("status", "live") != "live":
            return False
        return active.get("from", at) <= at and ("until" not in active or at < active["until"])

    def stated_moment(self, text: str) -> int:
        """Of the form 2020-03-01T10:00, in the programme's zone."""
        local = datetime.fromisoformat(text)
        return local_moment(local.date(), text[11:16], self.programme_zone)

    def enter(self, campaign: dict[str, Any], event: Event, at: int) -> None:
        name = campaign["id"]
        if not self.admits(campaign, at):
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
        others = [journey for journey in self.journeys if journey.campaign == name]
        if others and running == "ignore":
            return self.decide(campaign, None, "refused", "already_running")
        if running == "restart" and any(journey.entered_at > at for journey in others):
            return self.decide(campaign, None, "refused", "already_running")
        if share(f"global/{self.key}") < Decimal(repr(self.programme["policies"].get("global_holdout", 0))) or share(
            f"{name}/{self.key}"
        ) < Decimal(repr(campaign.get("holdout", 0))):
            entered.append(at)
            return self.decide(campaign, None, "refused", "holdout")
        for journey in others if running == "restart" else []:
            self.stop(journey, "superseded", "superseded")
        if len(self.journeys) >= bounds.JOURNEYS_MAX:
            return self.decide(campaign, None, "refused", "limit_exceeded")
        entered.append(at)
        journey = Journey(campaign, event, at)
        journey.member = self.key
        self.journeys.append(journey)
        self.journeys.sort(key=lambda journey: journey.entered_at)
        journey.script = self.run_all(journey, campaign["actions"], "actions")
        self.go_on(journey, None)
        return None

    # From wait to wait

    def go_on(self, journey: Journey, answer: bool | None) -> None:
        """To the next wait."""
        journey.waiting = journey.timer = journey.stands_at = journey.wait = None
        journey.done = 0
        assert journey.script is not None
        try:
            found = journey.script.send(answer)
        except StopIteration:
            journey.reason = "completed"
        except Ended:
            journey.reason = "exited"
        except TooMuch:
            return self.stop(journey, "ended", "limit_exceeded")
        else:
            journey.began = journey.base
            self.stand(journey, *found)
        return self.end_if_done(journey)

    def stand(self, journey: Journey, due: int | None, path: str, wait: Any) -> None:
        """At the wait, until it is due or answered."""
        journey.stands_at, journey.wait = path, wait
        journey.waiting = wait["for"] if isinstance(wait, dict) and "for" in wait else None
        if due is not None:

            def fire(_due: int, at: int) -> None:
                journey.base = at
                self.go_on(journey, False)

            journey.timer = self.set_timer(due, fire, journey=journey)

    def end_if_done(self, journey: Journey) -> None:
        if journey.reason and not journey.messages and not journey.over:
            journey.over = True
            self.journeys.remove(journey)
            self.decide(journey, None, "ended", journey.reason)

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
        self.decide(journey, where, outcome, reason)

    # Actions

    def run_all(
        self, journey: Journey, actions: list[dict[str, Any]], path: str, from_: str | None = None
    ) -> Iterator[Any]:
        """All of them, or from the wait at the path `from_`, which may be inside one of them."""
        for index, action in enumerate(actions):
            here = f"{path}[{index}]"
            if from_ is None:
                yield from self.run(journey, action, here)
            elif from_ == here:
                yield from self.run_wait(journey, action["wait"], here)
                from_ = None
            elif from_.startswith(f"{here}."):
                below, block = next(each for each in blocks(action, here) if from_.startswith(f"{each[0]}["))
                yield from self.run_all(journey, block, below, from_)
                from_ = None

    def run(self, journey: Journey, action: dict[str, Any], path: str) -> Iterator[Any]:
        journey.done += 1
        if journey.done > bounds.STEPS_MAX:
            raise TooMuch
        if "wait" in action:
            yield from self.run_wait(journey, action["wait"], path)
        elif "if" in action:
            branch = "then" if parse(action["if"]).holds(self.looking(journey)) else "else"
            yield from self.run_all(journey, action.get(branch, []), f"{path}.{branch}")
        elif "split" in action:
            at = share(f"{journey.campaign}/{path}/{journey.member}")  # as everything that is derived
            for index, branch in enumerate(action["split"]):
                at -= Decimal(repr(branch["percent"]))
                if at < 0:
                    yield from self.run_all(journey, branch["actions"], f"{path}.split[{index}].actions")
                    break
        else:
            self.do(journey, action, path)

    def do(self, journey: Journey, action: dict[str, Any], path: str) -> None:
        """What is done at once."""
        if "send" in action or "poll" in action:
            message = Message(journey, path, action)
            journey.messages.append(message)
            self.attempt(message)
        elif "award" in action:
            self.award(journey, action["award"], path)
        elif "webhook" in action:
            self.webhook(journey, action["webhook"], path)
        elif "set" in action:
            self.attributes.update(action["set"])
        elif "add_to" in action:
            self.lists[action["add_to"]] = True
        elif "remove_from" in action:
            self.lists[action["remove_from"]] = False
        elif "exit" in action or not parse(action["select"]).holds(self.looking(journey)):
            raise Ended

    def run_wait(self, journey: Journey, wait: Any, path: str) -> Iterator[Any]:
        if isinstance(wait, str):
            yield Duration.parse(wait).after(journey.base), path, wait
        elif "until" in wait:
            yield self.next_local(wait["until"], journey.base), path, wait
        else:
            timeout = wait.get("timeout")
            answered = yield timeout and Duration.parse(timeout).after(journey.base), path, wait
            if not answered:
                yield from self.run_all(journey, wait.get("on_timeout", []), f"{path}.on_timeout")

    def next_local(self, at: str, after: int) -> int:
        today = moment(after).astimezone(self.zone).date()
        moments = [local_moment(today + timedelta(days=days), at, self.zone) for days in range(-2, 4)]
        return min(due for due in moments if due > after)

    def looking(self, journey: Journey) -> Looking:
        return Looking(self, journey.event.body, journey.event.body)

    # Another programme comes into force

    def carry_over(self, journey: Journey) -> None:
        """It keeps its version, moves to the new one, or stops."""
        campaign = self.in_force(journey.campaign)
        if campaign is None or campaign.get("status") == "stopped":
            return self.stop(journey, "ended", "campaign_stopped")
        if journey.version != campaign.get("version", 1):
            if campaign.get("in_flight") == "stop":
                return self.stop(journey, "ended", "campaign_stopped")
            if campaign.get("in_flight") == "move":
                journey.version = campaign.get("version", 1)
        definition = self.definition(journey)
        assert definition is not None
        by_path = dict(walk(definition["actions"], "actions"))
        gone = journey.stands_at is not None and "wait" not in by_path.get(journey.stands_at, {})
        for message in journey.messages:
            action = by_path.get(message.path, {})
            gone = gone or not any(kind in action for kind in MESSAGES)
            if not gone:
                message.become(action)
                gone = message.at >= len(message.steps)
        if gone:
            return self.stop(journey, "ended", "campaign_stopped")
        if journey.stands_at is not None:
            self.stand_again(journey, definition)
        return None

    def stand_again(self, journey: Journey, definition: dict[str, Any]) -> None:
        """At the same place of what may be another script: a wait that is another is reckoned from when it began."""
        before, base = journey.wait, journey.base
        journey.base = journey.began
        journey.script = self.run_all(journey, definition["actions"], "actions", journey.stands_at)
        due, path, wait = next(journey.script)
        if wait == before:
            journey.base = base
        else:
            self.drop(journey.timer)
            self.stand(journey, due, path, wait)


def blocks(action: dict[str, Any], path: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """The lists of actions inside an action, with their paths."""
    found = [(f"{path}.{name}", action[name]) for name in ("then", "else") if name in action]
    for index, branch in enumerate(action.get("split", [])):
        found.append((f"{path}.split[{index}].actions", branch["actions"]))
    wait = action.get("wait")
    if isinstance(wait, dict) and "on_timeout" in wait:
        found.append((f"{path}.on_timeout", wait["on_timeout"]))
    return found


def walk(actions: list[dict[str, Any]], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, action in enumerate(actions):
        here = f"{path}[{index}]"
        yield here, action
        for below, block in blocks(action, here):
            yield from walk(block, below)
