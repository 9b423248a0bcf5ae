"""Checks of what is sent: channel, template, and whether the template can be rendered where it is used."""

import re
from collections.abc import Container, Iterable, Iterator

from streams.engine.actions.poll import Poll
from streams.engine.actions.send import CascadeStep, Send
from streams.engine.actions.webhook import Webhook
from streams.engine.channels import CHANNELS
from streams.engine.definition import Loc, did_you_mean
from streams.engine.liquid_text import TemplateError, strings_names
from streams.programme.checks import names
from streams.programme.definitions import Reading, Source
from streams.programme.problems import Problem

_ROOTS = ("member", "event", "campaign", "counter", "amount", "poll")
_SEGMENTS = re.compile(r"[.\[]")


def check_message(
    reading: Reading, message: Send | Poll, source: Source, path: Loc, entry: names.Fields | None
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
        yield from _step(reading, step, source, at, entry, poll=isinstance(message, Poll))
    if isinstance(message, Send):
        yield from _patience(message, source, below)


def _step(
    reading: Reading, step: CascadeStep, source: Source, at: Loc, entry: names.Fields | None, *, poll: bool
) -> Iterator[Problem]:
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
    for text in unknown_names(reading, named, needed, entry, poll=poll):
        message = f"can never be rendered: template `{template.id}` names {text}"
        yield source.problem((*at, "template"), message, severity="warning")


def check_body(
    reading: Reading, webhook: Webhook, source: Source, path: Loc, entry: names.Fields | None
) -> Iterator[Problem]:
    """The Liquid of a webhook's body."""
    try:
        strings_names(webhook.body)
    except TemplateError as error:
        yield source.problem((*path, "body"), f"isn't valid Liquid: {error}")
        return
    named = strings_names(webhook.body)
    for message in unknown_names(reading, named, named, entry, poll=False):
        yield source.problem((*path, "body"), f"can never be rendered: it names {message}", severity="warning")


def unknown_names(
    reading: Reading, paths: Iterable[str], needed: Container[str], entry: names.Fields | None, *, poll: bool
) -> Iterator[str]:
    """Those of a template's paths that nothing supplies, in words.

    What exists elsewhere but not here (an event's field, `poll`) is a doubt only where it is `needed`: a template that
    several campaigns share may ask whether it is there.
    """
    for path in sorted(paths):
        root, *rest = [part.strip("'\"]") for part in _SEGMENTS.split(path)]
        if root not in _ROOTS:
            yield f"`{path}`{did_you_mean(root, _ROOTS)}, which doesn't exist"
        elif root == "poll" and not poll and path in needed:
            yield "`poll`, which only the action `poll` supplies"
        elif root == "event" and rest and entry is not None and rest[0] not in entry and path in needed:
            yield f"`event.{rest[0]}`{did_you_mean(rest[0], entry)}, which no trigger of the campaign supplies"
        elif root == "member" and rest and not _is_member_name(rest):
            yield f"`member.{'.'.join(rest)}`{did_you_mean(rest[0], names.MEMBER)}, which doesn't exist"
        elif root == "counter" and rest and rest[0] not in reading.stated.get("counter", {}):
            near = did_you_mean(rest[0], reading.stated.get("counter", {}))
            yield f"`counter.{rest[0]}`{near}, which doesn't exist"
        elif root == "campaign" and rest and rest[0] not in names.CAMPAIGN:
            yield f"`campaign.{rest[0]}`{did_you_mean(rest[0], names.CAMPAIGN)}, which doesn't exist"


def _is_member_name(rest: list[str]) -> bool:
    if rest[0] in {"attributes", "bonus", "purchases", "social"} and len(rest) == 1:
        return True
    return names.member_kind(".".join(rest[:2] if rest[0] not in names.MEMBER else rest[:1])) is not None


def statuses_of(message: Send | Poll) -> set[str]:
    """The statuses that the channels of a message report."""
    return {status for step in message.steps if step.channel in CHANNELS for status in CHANNELS[step.channel].statuses}


def _patience(message: Send, source: Source, path: Loc) -> Iterator[Problem]:
    """A cascade that waits past its expiry never sends the rest."""
    if message.expires is None:
        return
    waited = 0
    for index, step in enumerate(message.steps[:-1]):
        waited += step.wait.approximate_ms if step.wait is not None else 0
        if waited > message.expires.approximate_ms:
            text = (
                f"can never be reached by waiting: the message expires after {message.expires}, before its turn comes"
            )
            yield source.problem((*path, "cascade", index + 1), text, severity="warning")
            return
