"""What the naive model puts out: awards, webhooks and messages, with every check in the contract's order."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from streams.engine.events import Event
from streams.engine.ids import derived_id
from streams.engine.liquid_text import LiquidText, TemplateError
from streams.engine.values import Duration
from tests.model.calendar import Calendar
from tests.model.local_time import hours_and_minutes, local_moment, moment
from tests.model.parts import ADDRESS, EXEMPT, MET, PARTS, Journey, Message

TYPES = {
    "marketing": {"consent": "opt_out"},
    "service": {"consent": "none", "quiet_hours": "exempt", "caps": "exempt"},
}
"""Messaging types as they are unless the policies say otherwise."""


class Messages(Calendar):
    """Awards, webhooks and messages of a member."""

    def end_if_done(self, journey: Journey) -> None:
        raise NotImplementedError

    def put_out(self, kind: str, journey: Journey, action: str, **fields: Any) -> None:
        place = {"member_id": self.key, "campaign": journey.campaign, "version": journey.version, "action": action}
        self.output.append({"kind": kind, "at": self.now, **place, **fields})

    def decide(self, of: Journey | dict[str, Any], action: str | None, outcome: str, reason: str) -> None:
        name, version = (of["id"], of.get("version", 1)) if isinstance(of, dict) else (of.campaign, of.version)
        place = {"member_id": self.key, "campaign": name, "version": version, "action": action}
        self.output.append({"kind": "decision", "at": self.now, **place, "outcome": outcome, "reason": reason})

    def derive(self, journey: Journey, path: str, step: int = 0) -> str:
        event = journey.event
        entry = (event.source, event.event_id, event.occurred_at)
        return derived_id(journey.member, journey.campaign, journey.entered_version, *entry, path, step)

    # Awards and webhooks

    def award(self, journey: Journey, award: dict[str, Any], path: str) -> None:
        limit = award.get("limit")
        if limit:
            standing = [
                at
                for name, where, at in self.awards
                if (name, where) == (journey.campaign, path) and Duration.parse(limit["per"]).after(at) > self.now
            ]
            if len(standing) >= limit["count"]:
                return self.decide(journey, path, "suppressed", "award_limit")
            self.awards.append((journey.campaign, path, self.now))
        activation = Duration.parse(award.get("activates_in", "P0D")).after(self.now)
        journey.amount = Decimal(repr(award["amount"]))
        self.put_out(
            "award",
            journey,
            path,
            award_id=self.derive(journey, path),
            amount=journey.amount,
            currency=award.get("currency", "points"),
            activates_at=activation,
            expires_at=Duration.parse(award["lifetime"]).after(activation) if "lifetime" in award else None,
            legal_entity=award.get("legal_entity"),
            description=award.get("description"),
        )
        return None

    def webhook(self, journey: Journey, webhook: dict[str, Any], path: str) -> None:
        try:
            body = rendered(webhook.get("body"), self.data(journey))
        except TemplateError:
            return self.decide(journey, path, "suppressed", "template_error")
        self.put_out("webhook", journey, path, webhook_id=self.derive(journey, path), url=webhook["url"], body=body)
        return None

    # Messages

    def attempt(self, message: Message) -> None:
        """Send the step that it stands at, or put it off, or fall to the next."""
        message.timer, message.sent_at = None, None
        messages, journey = message.journey.messages, message.journey
        messages.remove(message)
        messages.append(message)
        while message.at < len(message.steps):
            step = message.steps[message.at]
            outcome, reason, until = self.check(message, step)
            if outcome != "sent":
                self.decide(journey, message.path, outcome, reason)
            if outcome == "deferred":
                message.timer = self.set_timer(until, lambda _due, _at: self.attempt(message), journey=journey)
                return
            if outcome == "sent":
                message.sent_at = self.now
                if message.at + 1 < len(message.steps):
                    due = Duration.parse(step["wait"]).after(self.now)
                    message.timer = self.set_timer(due, lambda _due, _at: self.fall(message), journey=journey)
                    return
                break
            message.at += 1
        messages.remove(message)
        self.end_if_done(journey)

    def fall(self, message: Message) -> None:
        self.drop(message.timer)
        message.at += 1
        self.attempt(message)

    def status_of(self, message: Message, event: Event) -> None:
        if message.sent_at is None:
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
        kind, channel = send.get("messaging_type", "marketing"), step["channel"]
        stated = policies.get("messaging_types", {})
        known = {name: {**TYPES.get(name, {}), **stated.get(name, {})} for name in {**TYPES, **stated}}
        rules = known.get(kind, known["marketing"])
        if not self.consents(channel, kind, rules.get("consent", "opt_out")):
            return "suppressed", "unsubscribed", 0
        address = self.address(channel, step.get("network", send.get("network")))
        if not address or (channel, address) in self.dead:
            return "suppressed", "no_address", 0
        expires = Duration.parse(send["expires"]).after(message.action_at) if "expires" in send else None
        if expires is not None and self.now > expires:
            return "suppressed", "expired", 0
        capped = channel not in EXEMPT and rules.get("caps") != "exempt"
        for cap in policies.get("frequency_caps", []) if capped else []:
            free = self.capped_until(cap, channel)
            if free is not None:
                deferred = cap.get("then", "suppress") == "defer"
                return ("deferred" if deferred else "suppressed"), "frequency_cap", free
        quiet = policies.get("quiet_hours")
        if channel in EXEMPT or rules.get("quiet_hours") == "exempt":
            quiet = None
        end = self.quiet_until(quiet) if quiet else None
        if quiet and end is not None:
            deferred = quiet.get("then", "defer") == "defer"
            return ("deferred" if deferred else "suppressed"), "quiet_hours", end
        ends = [at for at in (expires, self.quiet_from(quiet) if quiet else None) if at is not None]
        return self.render(message, step, address, not_after=min(ends, default=None), capped=capped)

    def address(self, channel: str, network: str | None) -> str | None:
        if channel in {"in_app", "receipt", "cashier"}:
            return self.key
        if channel in {"social", "chat_bot"}:
            return self.social.get(network) if network else next(iter(self.social.values()), None)
        return self.profile.get(ADDRESS[channel])

    def data(self, journey: Journey, poll: str | None = None) -> dict[str, Any]:
        campaign = self.definition(journey)
        assert campaign is not None
        names = ("id", "registered_at", "days_since_registration", "age", "time_zone")
        member = {**self.profile, **{name: self.look_up(name) for name in names}}
        purchases = {name: value for name, value in self.purchases().items() if value is not None}
        counters = {name: self.counter(name) for name in self.programme["counters"]}
        return {
            "member": {name: value for name, value in member.items() if value is not None}
            | {"attributes": self.attributes, "purchases": purchases}
            | {"bonus": {"points": self.balance("points")}},
            "event": journey.event.body,
            "campaign": {"version": 1, **{name: campaign[name] for name in ("id", "version") if name in campaign}},
            "counter": {name: value for name, value in counters.items() if value is not None},
            "amount": journey.event.body.get("amount") if journey.amount is None else journey.amount,
            **({"poll": {"id": poll, **self.newest("polls", poll)}} if poll else {}),
        }

    def render(
        self, message: Message, step: dict[str, Any], address: str, *, not_after: int | None, capped: bool
    ) -> tuple[str, str, int]:
        journey, channel = message.journey, step["channel"]
        template = self.newest("templates", step["template"])
        if channel == "social" and not template.get("moderated", False):
            return "suppressed", "not_moderated", 0
        data = self.data(journey, message.poll)
        try:
            content = {part: rendered(template[part], data) for part in PARTS[channel] if part in template}
        except TemplateError:
            return "suppressed", "template_error", 0
        dispatch_id = self.derive(journey, message.path, message.at)
        if "as" in message.send:
            journey.named.setdefault(message.send["as"], []).append(dispatch_id)
        if capped:
            self.sent.append((self.now, channel))
        campaign = self.definition(journey)
        self.put_out(
            "dispatch",
            journey,
            message.path,
            dispatch_id=dispatch_id,
            channel=channel,
            to=address,
            content=content,
            messaging_type=message.send.get("messaging_type", "marketing"),
            not_after=not_after,
            network=step.get("network", message.send.get("network")),
        )
        goal = campaign and campaign.get("goal")
        if goal:
            self.owed.append({**self.output[-1], "within": goal.get("within", "P7D"), "reported": []})
        return "sent", "", 0

    # Policies

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
        ends = [Duration.parse(cap["per"]).after(at) for at, of in self.sent if cap.get("channel") in {None, of}]
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

    def quiet_from(self, quiet: dict[str, Any]) -> int:
        """When they begin next."""
        today = moment(self.now).astimezone(self.zone).date()
        starts = [local_moment(today + timedelta(days=days), quiet["from"], self.zone) for days in range(-2, 4)]
        return min(start for start in starts if start > self.now)


def rendered(value: Any, data: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return LiquidText(value).render(data)
    if isinstance(value, dict):
        return {name: rendered(item, data) for name, item in value.items()}
    if isinstance(value, list):
        return [rendered(item, data) for item in value]
    return value
