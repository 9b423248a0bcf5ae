"""From a `send` to a dispatch: the checks in the contract's order (§4.8), deferral, and cascades.

A message is decided by `attempt`: each step of its cascade (an ordinary message is a cascade of one) is sent, put off,
or suppressed; what is put off or waits for a status stays in `journey.pending` with one timer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from streams.engine.attribution import remember
from streams.engine.channels import CHANNELS, Channel
from streams.engine.commands import Dispatch
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.ids import derived_id
from streams.engine.journeys import MESSAGE_TIMER, settle
from streams.engine.limits import NAMED_MAX, PENDING_PER_MEMBER_MAX
from streams.engine.liquid_text import TemplateError, TemplateLimitError
from streams.engine.local_time import next_local, within
from streams.engine.message_data import MessageData
from streams.engine.profile import consents
from streams.engine.state import Journey, MemberState, Pending

if TYPE_CHECKING:
    from streams.engine.actions import Message
    from streams.engine.actions.send import CascadeStep
    from streams.engine.campaign import Campaign

FAILED = "message_failed"
MESSAGE_KINDS = frozenset({"send", "poll"})
_MEETS = {
    "sent": {"message_sent", "message_delivered", "message_opened", "message_clicked"},
    "delivered": {"message_delivered", "message_opened", "message_clicked"},
    "opened": {"message_opened", "message_clicked"},
    "clicked": {"message_clicked"},
}


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Why a step wasn't sent: suppressed for good, or put off until `until` (ms)."""

    reason: str
    until: int | None = None
    limit: str | None = None


def start(handling: Handling, journey: Journey, message: "Message", path: str) -> None:
    """Decide the message of the action at `path`, as far as it can be decided now."""
    attempt(handling, journey, message, Pending(path=path, step=0, action_at=journey.base))


def attempt(handling: Handling, journey: Journey, message: "Message", pending: Pending) -> None:
    """Go through the cascade from `pending.step` until a step is sent or put off, or none is left."""
    campaign = handling.definition(journey)
    assert campaign is not None
    _forget(journey, pending)
    while pending.step < len(message.steps):
        step = message.steps[pending.step]
        verdict = _send(handling, journey, campaign, message, step, pending)
        if verdict is None:
            if pending.sent is None:
                return
            assert step.wait is not None
            if not _keep(handling, journey, pending, step.wait.after(handling.now)):
                handling.exceed(journey.campaign, journey.version, pending.path, "suppressed", "pending")
            return
        outcome = "suppressed" if verdict.until is None else "deferred"
        place = journey.campaign, journey.version, pending.path
        if verdict.limit is None:
            handling.decide(*place, outcome, verdict.reason)
        else:
            handling.exceed(*place, outcome, verdict.limit, verdict.reason)
        if verdict.until is not None:
            if _keep(handling, journey, pending, verdict.until):
                return
            handling.exceed(*place, "suppressed", "pending")
        pending.step += 1


def resume(handling: Handling, journey: Journey, message: "Message", path: str) -> None:
    """The timer of a pending message came due: check it again, or go to the cascade's next step."""
    pending = next((item for item in journey.pending if item.path == path), None)
    if pending is None:
        return
    if pending.sent is not None:
        pending.step += 1
        pending.sent = None
    attempt(handling, journey, message, pending)
    settle(handling, journey)


def answer(handling: Handling, journey: Journey, event: Event) -> None:
    """Decide what hangs on a delivery status: a step of one of the journey's cascades."""
    dispatch_id = event.body.get("dispatch_id")
    if dispatch_id is None:
        return
    for pending in [item for item in journey.pending if item.sent == dispatch_id]:
        message = message_at(handling, journey, pending.path)
        if message is None or pending.step >= len(message.steps):
            continue
        step = message.steps[pending.step]
        if event.type == FAILED:
            handling.drop_timers(MESSAGE_TIMER, journey.number, pending.path)
            resume(handling, journey, message, pending.path)
        elif event.type in _MEETS[step.until or "delivered"]:
            handling.drop_timers(MESSAGE_TIMER, journey.number, pending.path)
            _forget(journey, pending)
            settle(handling, journey)


def met_by(until: str) -> frozenset[str]:
    """The statuses that meet a cascade step's `until`."""
    return frozenset(_MEETS[until])


def message_at(handling: Handling, journey: Journey, path: str) -> "Message | None":
    """The message that stands at `path`; None if the definition was changed and there is none any more."""
    campaign = handling.definition(journey)
    step = None if campaign is None else campaign.script.get(path)
    return cast("Message", step.action) if step is not None and step.action.kind in MESSAGE_KINDS else None


def _keep(handling: Handling, journey: Journey, pending: Pending, due: int) -> bool:
    """False if the member has too many pending messages already."""
    if sum(len(other.pending) for other in handling.state.journeys) >= PENDING_PER_MEMBER_MAX:
        return False
    journey.pending = [*journey.pending, pending]
    handling.set_timer(due, MESSAGE_TIMER, journey.number, pending.path)
    return True


def _forget(journey: Journey, pending: Pending) -> None:
    journey.pending = [item for item in journey.pending if item is not pending]


def _send(
    handling: Handling,
    journey: Journey,
    campaign: "Campaign",
    message: "Message",
    step: "CascadeStep",
    pending: Pending,
) -> _Verdict | None:
    """Send the step, or say why not. Leaves the dispatch id in `pending.sent` if a later step hangs on it."""
    state, policies, now = handling.state, handling.programme.policies, handling.now
    channel = CHANNELS[step.channel]
    # A journey of an earlier version may name a type that the policies in force have no more.
    kind = policies.messaging_types.get(message.messaging_type) or policies.messaging_types["marketing"]
    if not consents(state, step.channel, message.messaging_type, kind.consent):
        return _Verdict("unsubscribed")
    network = step.network or message.network
    address = address_of(state, channel, network)
    if address is None:
        return _Verdict("no_address")
    expires_at = None if message.expires is None else message.expires.after(pending.action_at)
    if expires_at is not None and now > expires_at:
        return _Verdict("expired")
    capped = not channel.exempt and kind.caps != "exempt"
    verdict = _cap_in_the_way(handling, step.channel) if capped else None
    if verdict is not None:
        return verdict
    quiet = None if channel.exempt or kind.quiet_hours == "exempt" else policies.quiet_hours
    if quiet is not None and within(now, quiet.from_, quiet.to, handling.zone):
        return _Verdict("quiet_hours", next_local(now, quiet.to, handling.zone) if quiet.then == "defer" else None)
    template = handling.programme.templates.get(step.template)
    if template is None:
        return _Verdict("template_error")
    if channel.moderated and not template.moderated:
        return _Verdict("not_moderated")
    work = handling.allowance(journey.campaign).work
    try:
        content = template.render(step.channel, MessageData(handling, journey, campaign, message.poll_id), work)
    except TemplateLimitError:
        return _Verdict("template_error", limit="template")
    except TemplateError:
        return _Verdict("template_error")
    quiet_from = None if quiet is None else next_local(now, quiet.from_, handling.zone)
    until = [at for at in (expires_at, quiet_from) if at is not None]
    dispatch = Dispatch(
        at=now,
        dispatch_id=step_id(handling, journey, pending.path, pending.step),
        member_id=state.key,
        campaign=journey.campaign,
        version=journey.version,
        action=pending.path,
        channel=step.channel,
        to=address,
        content=content,
        messaging_type=message.messaging_type,
        not_after=min(until, default=None),
        network=network,
    )
    handling.output.append(dispatch)
    remember(handling, dispatch, None if campaign.goal is None else campaign.goal.within, capped=capped)
    if message.as_ is not None:
        journey.named = {**journey.named, message.as_: [*journey.named.get(message.as_, ()), dispatch.dispatch_id]}
        while len(journey.named) > NAMED_MAX:
            del journey.named[next(iter(journey.named))]
    later = pending.step + 1 < len(message.steps) and step.wait is not None
    pending.sent = dispatch.dispatch_id if later else None
    return None


def step_id(handling: Handling, journey: Journey, path: str, cascade_step: int = 0) -> str:
    """The id of what the action at `path` makes (contract §4.9): neither a rerun nor deferral changes it."""
    return derived_id(
        journey.member_id or handling.state.key,
        journey.campaign,
        journey.version if journey.entered_version is None else journey.entered_version,
        journey.entry_source,
        journey.entry_event_id,
        journey.entered_at if journey.entry_at is None else journey.entry_at,
        path,
        cascade_step,
    )


def address_of(state: MemberState, channel: Channel, network: str | None) -> str | None:
    """Where the channel reaches the member; None if nowhere."""
    match channel.address:
        case "member_id":
            return state.key
        case "profile":
            if network is not None:
                return state.profile.social.get(network)
            return next(iter(state.profile.social.values()), None)
        case "phone" | "email" | "push_token":
            address: str | None = getattr(state.profile, channel.address)
            return address


def _cap_in_the_way(handling: Handling, channel: str) -> _Verdict | None:
    now = handling.now
    for cap in handling.programme.policies.frequency_caps:
        if cap.channel is not None and cap.channel != channel:
            continue
        counting = sorted(
            sent.at
            for sent in handling.state.sent
            if sent.capped and cap.channel in {None, sent.channel} and cap.per.after(sent.at) > now
        )
        if len(counting) < cap.max:
            continue
        if cap.then == "defer" and cap.max > 0:
            return _Verdict("frequency_cap", cap.per.after(counting[len(counting) - cap.max]))
        return _Verdict("frequency_cap")
    return None
