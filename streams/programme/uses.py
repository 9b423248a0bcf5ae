"""What a campaign names of its programme: segments, counters, templates, polls, channels and types of messages.

Directly, or through a segment's condition or a template's text: when one of these changes, the campaign changes too.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from streams.engine.actions.add_to import AddTo
from streams.engine.actions.poll import Poll
from streams.engine.actions.remove_from import RemoveFrom
from streams.engine.actions.select import Select
from streams.engine.actions.send import Send
from streams.engine.actions.webhook import Webhook
from streams.engine.campaign import Campaign, Policies
from streams.engine.channels import CHANNELS
from streams.engine.liquid_text import strings_names
from streams.engine.triggers.segment_entered import SegmentEntered
from streams.engine.triggers.segment_left import SegmentLeft
from streams.programme.programme import Definitions
from streams.programme.watching import conditions


@dataclass(frozen=True, slots=True)
class Uses:
    """Names of one campaign. `messages`: pairs of channel and messaging type."""

    segments: frozenset[str]
    counters: frozenset[str]
    templates: frozenset[str]
    polls: frozenset[str]
    messages: frozenset[tuple[str, str]]


def uses(campaign: Campaign, definitions: Definitions) -> Uses:
    """Everything that the campaign names, with what the definitions say of it."""
    names = {name for condition in conditions(campaign) for name in condition.names()}
    names.update(f"segment:{segment}" for segment in _named_segments(campaign))
    sent = [action for _, action in campaign.walk_actions() if isinstance(action, Send | Poll)]
    templates = frozenset(step.template for message in sent for step in message.steps)
    for template in templates:
        if template in definitions.templates:
            names.update(definitions.templates[template].names)
    for _, action in campaign.walk_actions():
        if isinstance(action, Webhook):
            names.update(strings_names(action.body))
    names = _with_segments(names, definitions)
    return Uses(
        segments=_below(names, "segment:"),
        counters=_below(names, "counter."),
        templates=templates,
        polls=frozenset(message.poll for message in sent if isinstance(message, Poll)),
        messages=frozenset((step.channel, message.messaging_type) for message in sent for step in message.steps),
    )


def is_under_quiet_hours(policies: Policies, channel: str, messaging_type: str) -> bool:
    """Whether quiet hours, if there are any, apply to such messages."""
    kind = policies.messaging_types.get(messaging_type) or policies.messaging_types["marketing"]
    return channel in CHANNELS and not CHANNELS[channel].exempt and kind.quiet_hours == "apply"


def is_capped(policies: Policies, channel: str, messaging_type: str) -> bool:
    """Whether caps, if there are any, apply to such messages."""
    kind = policies.messaging_types.get(messaging_type) or policies.messaging_types["marketing"]
    return channel in CHANNELS and not CHANNELS[channel].exempt and kind.caps == "apply"


def may_be_deferred(policies: Policies, channel: str, messaging_type: str) -> bool:
    """Whether quiet hours or a cap may put such a message off."""
    quiet = policies.quiet_hours
    if quiet is not None and quiet.then == "defer" and is_under_quiet_hours(policies, channel, messaging_type):
        return True
    defers = any(cap.then == "defer" and cap.channel in {None, channel} for cap in policies.frequency_caps)
    return defers and is_capped(policies, channel, messaging_type)


def _named_segments(campaign: Campaign) -> Iterator[str]:
    for trigger in campaign.triggers:
        if isinstance(trigger, SegmentEntered | SegmentLeft):
            yield trigger.segment
    for _, action in campaign.walk_actions():
        if isinstance(action, Select | AddTo | RemoveFrom):
            yield action.segment


def _with_segments(names: set[str], definitions: Definitions) -> set[str]:
    """The names, and those that the conditions of the segments among them ask for."""
    found: set[str] = set()
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        found.add(name)
        segment = definitions.segments.get(name.removeprefix("segment:")) if name.startswith("segment:") else None
        if segment is not None and segment.where is not None:
            ahead.extend(segment.where.names())
    return found


def _below(names: Iterable[str], prefix: str) -> frozenset[str]:
    return frozenset(name.removeprefix(prefix) for name in names if name.startswith(prefix))
