"""What the naive model puts out: awards and messages, with every check in the contract's order."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from streams.engine.events import Event
from streams.engine.ids import derived_id
from streams.engine.liquid_text import LiquidText, TemplateError
from streams.engine.values import Duration
from tests.model.knowledge import Knowledge
from tests.model.local_time import hours_and_minutes, local_moment, moment
from tests.model.parts import ADDRESS, MET, PARTS, Journey, Message


class Messages(Knowledge):
    """Awards and messages of a member."""

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
