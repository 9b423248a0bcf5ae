"""Checks of what is sent: channel, template, and whether the template can be rendered where it is used."""

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, replace

from streams.engine.actions.award import Award
from streams.engine.actions.poll import Poll
from streams.engine.actions.send import CascadeStep, Send
from streams.engine.actions.webhook import Webhook
from streams.engine.campaign import Campaign
from streams.engine.channels import CHANNELS
from streams.engine.definition import Loc, did_you_mean, listed
from streams.engine.liquid_text import TemplateError, strings_names, strings_needed
from streams.engine.local_time import DAY_MS
from streams.engine.message_plans import met_by
from streams.programme.checks import names
from streams.programme.definitions import Reading, Source
from streams.programme.problems import Problem

_ROOTS = ("member", "event", "campaign", "counter", "amount", "poll")
_OF_LISTS = ("size",)
_MONTH_DAYS_MIN, _MONTH_DAYS_MAX = 28, 31
_SEGMENTS = re.compile(r"[.\[]")


@dataclass(frozen=True, slots=True)
class Supply:
    """What a template is given where it is used: the campaign, and what its entry event may have (None: anything)."""

    campaign: Campaign
    entry: names.Fields | None
    poll: bool = False

    @property
    def has_amount(self) -> bool:
        """Whether an award or the entry event may have set `amount`."""
        awards = any(isinstance(action, Award) for _, action in self.campaign.walk_actions())
        return awards or self.entry is None or "amount" in self.entry


def check_message(
    reading: Reading, message: Send | Poll, source: Source, path: Loc, supply: Supply
) -> Iterator[Problem]:
    """Every mistake and doubt of a `send` or `poll`."""
    below = (*path, message.kind)
    known = reading.policies.messaging_types
    if message.messaging_type not in known:
        near = did_you_mean(message.messaging_type, known)
        yield source.problem((*below, "messaging_type"), f"unknown messaging type `{message.messaging_type}`{near}")
    if isinstance(message, Poll) and message.poll not in reading.stated.get("poll", {}):
        near = did_you_mean(message.poll, reading.stated.get("poll", {}))
        yield source.problem((*below, "poll"), f"unknown poll `{message.poll}`{near}")
    for index, step in enumerate(message.steps):
        at = (*below, "cascade", index) if isinstance(message, Send) and message.cascade else below
        yield from _step(reading, step, source, at, replace(supply, poll=isinstance(message, Poll)))
    if isinstance(message, Send):
        yield from _patience(message, source, below)
        yield from _answers(message, source, below)


def _step(reading: Reading, step: CascadeStep, source: Source, at: Loc, supply: Supply) -> Iterator[Problem]:
    channel = CHANNELS.get(step.channel)
    if channel is None:
        yield source.problem(
            (*at, "channel"), f"unknown channel `{step.channel}`{did_you_mean(step.channel, CHANNELS)}"
        )
    stated = reading.stated.get("template", {})
    if step.template not in stated:
        yield source.problem(
            (*at, "template"), f"unknown template `{step.template}`{did_you_mean(step.template, stated)}"
        )
    if step.template not in reading.templates or channel is None:
        return
    template, _ = reading.templates[step.template]
    problem = channel.problem(template.parts)
    if problem is not None:
        yield source.problem((*at, "template"), f"template `{template.id}` doesn't suit: {problem}")
        return
    if channel.moderated and not template.moderated:
        message = f"can never be sent: channel `{channel.name}` needs `moderated: true` in template `{template.id}`"
        yield source.problem((*at, "template"), message, severity="warning")
    named = {name for part in channel.taken(template.parts) for name in template.names_in(part)}
    needed = {name for part in channel.taken(template.parts) for name in template.needed_in(part)}
    for text in unknown_names(reading, named, needed, supply):
        message = f"can never be rendered: template `{template.id}` names {text}"
        yield source.problem((*at, "template"), message, severity="warning")


def check_body(reading: Reading, webhook: Webhook, source: Source, path: Loc, supply: Supply) -> Iterator[Problem]:
    """The Liquid of a webhook's body."""
    try:
        named, needed = strings_names(webhook.body), strings_needed(webhook.body)
    except TemplateError as error:
        yield source.problem((*path, "body"), f"isn't valid Liquid: {error}")
        return
    for message in unknown_names(reading, named, needed, supply):
        yield source.problem((*path, "body"), f"can never be rendered: it names {message}", severity="warning")


def unknown_names(reading: Reading, paths: Iterable[str], needed: Container[str], supply: Supply) -> Iterator[str]:
    """Those of a template's paths that nothing supplies, in words.

    What exists elsewhere but not here (an event's field, `poll`) is a doubt only where it is `needed`: a template that
    several campaigns share may ask whether it is there.
    """
    for path in sorted(paths):
        root, *rest = [part.strip("'\"]") for part in _SEGMENTS.split(path)]
        match root:
            case "event":
                found = _unknown_field(rest, supply.entry, needed=path in needed)
            case "member":
                found = _nowhere("member", rest, names.MEMBER) if rest and not _is_member_name(rest) else None
            case "counter":
                counters = reading.stated.get("counter", {})
                found = _nowhere("counter", rest[:1], counters) if rest and rest[0] not in counters else None
            case "campaign":
                found = _unknown_of_campaign(rest, supply.campaign, needed=path in needed)
            case "poll" if supply.poll:
                found = _unknown_of_poll(rest)
            case "poll":
                found = "`poll`, which only the action `poll` supplies" if path in needed else None
            case "amount":
                missing = path in needed and not supply.has_amount
                found = "`amount`, which neither an `award` nor a trigger of the campaign supplies" if missing else None
            case _:
                found = f"`{path}`{did_you_mean(root, _ROOTS)}, which doesn't exist"
        if found is not None:
            yield found


def _nowhere(head: str, rest: list[str], known: Iterable[str]) -> str:
    return f"`{head}.{'.'.join(rest)}`{did_you_mean(rest[0], known)}, which doesn't exist"


def _unknown_field(rest: list[str], entry: names.Fields | None, *, needed: bool) -> str | None:
    """A field of the entry event, or of the records of one of its lists."""
    if not rest or entry is None:
        return None
    name, *below = rest
    if name not in entry:
        near = did_you_mean(name, entry)
        return f"`event.{name}`{near}, which no trigger of the campaign supplies" if needed else None
    fields = entry[name].fields
    if entry[name].kind == "records" and len(below) > 1 and below[0] not in _OF_LISTS and below[1] not in fields:
        return f"`event.{name}[].{below[1]}`{did_you_mean(below[1], fields)}, which its records don't have"
    return None


def _unknown_of_campaign(rest: list[str], campaign: Campaign, *, needed: bool) -> str | None:
    if not rest:
        return None
    if rest[0] not in names.CAMPAIGN:
        return _nowhere("campaign", rest[:1], names.CAMPAIGN)
    if needed and getattr(campaign, rest[0]) is None:
        return f"`campaign.{rest[0]}`, which the campaign doesn't state"
    return None


def _unknown_of_poll(rest: list[str]) -> str | None:
    if rest and rest[0] not in names.POLL:
        return _nowhere("poll", rest[:1], names.POLL)
    if rest[:1] == ["questions"] and len(rest) > 2 and rest[1] not in _OF_LISTS and rest[2] not in names.QUESTION:  # noqa: PLR2004
        return f"`poll.questions[].{rest[2]}`{did_you_mean(rest[2], names.QUESTION)}, which questions don't have"
    return None


def _is_member_name(rest: list[str]) -> bool:
    if rest[0] in {"attributes", "bonus", "purchases", "social"} and len(rest) == 1:
        return True
    return names.member_kind(".".join(rest[:2] if rest[0] not in names.MEMBER else rest[:1])) is not None


def _patience(message: Send, source: Source, path: Loc) -> Iterator[Problem]:
    """A cascade that waits past its expiry never sends the rest."""
    if message.expires is None:
        return
    expires_ms = message.expires.ms + message.expires.months * _MONTH_DAYS_MAX * DAY_MS
    waited_ms = 0
    for index, step in enumerate(message.steps[:-1]):
        waited_ms += 0 if step.wait is None else step.wait.ms + step.wait.months * _MONTH_DAYS_MIN * DAY_MS
        if waited_ms > expires_ms:
            text = (
                f"can never be reached by waiting: the message expires after {message.expires}, before its turn comes"
            )
            yield source.problem((*path, "cascade", index + 1), text, severity="warning")
            return


def _answers(message: Send, source: Source, path: Loc) -> Iterator[Problem]:
    """A cascade's step that waits for what its channel never reports is always given up."""
    for index, step in enumerate(message.steps[:-1]):
        channel = CHANNELS.get(step.channel)
        if channel is None or step.until is None or met_by(step.until) & set(channel.statuses):
            continue
        reported = [
            status for status in ("sent", "delivered", "opened", "clicked") if f"message_{status}" in channel.statuses
        ]
        told = listed(reported, "and")
        text = f"can never hold: channel `{channel.name}` reports {told} only, so the next step always follows"
        yield source.problem((*path, "cascade", index, "until"), text, severity="warning")
