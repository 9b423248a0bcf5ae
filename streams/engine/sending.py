"""From a `send` to a dispatch: the checks in the contract's order (§4.8), and deferral.

A message is decided by `attempt`: each step of its cascade (an ordinary message is a cascade of one) is sent, put off,
or suppressed; what is put off or waits for a status stays in `journey.pending` with one timer.
"""

from typing import TYPE_CHECKING, Final

from streams.engine.attribution import remember
from streams.engine.commands import Dispatch
from streams.engine.handling import Handling
from streams.engine.ids import derived_id
from streams.engine.limits import NAMED_MAX, PENDING_PER_MEMBER_MAX
from streams.engine.liquid_text import TemplateError, TemplateLimitError
from streams.engine.local_time import next_local, within
from streams.engine.message_data import MessageData
from streams.engine.message_plans import MessagePlan, StepPlan
from streams.engine.profile import consents
from streams.engine.state import Journey, MemberState, Pending

if TYPE_CHECKING:
    from streams.engine.plans import CampaignPlan
    from streams.engine.script import Step

MESSAGE_TIMER: Final = "message"


class _Verdict:
    """Why a step wasn't sent: suppressed for good, or put off until `until` (ms)."""

    __slots__ = ("limit", "reason", "until")

    def __init__(self, reason: str, until: int | None = None, limit: str | None = None) -> None:
        self.reason = reason
        self.until = until
        self.limit = limit


_UNSUBSCRIBED: Final = _Verdict("unsubscribed")
_NO_ADDRESS: Final = _Verdict("no_address")
_EXPIRED: Final = _Verdict("expired")
_TEMPLATE_ERROR: Final = _Verdict("template_error")
_NOT_MODERATED: Final = _Verdict("not_moderated")


def start(handling: Handling, journey: Journey, step: "Step") -> None:
    """Decide the message of the action at that step, as far as it can be decided now."""
    assert step.message is not None
    attempt(handling, journey, step.message, Pending(step.path, 0, journey.base))


def attempt(handling: Handling, journey: Journey, message: MessagePlan, pending: Pending) -> None:
    """Go through the cascade from `pending.step` until a step is sent or put off, or none is left."""
    campaign = handling.definition(journey)
    assert campaign is not None
    forget(journey, pending)
    while pending.step < len(message.steps):
        step = message.steps[pending.step]
        if message.tried is not None:
            message.tried(pending.step)
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


def _keep(handling: Handling, journey: Journey, pending: Pending, due: int) -> bool:
    """False if the member has too many pending messages already."""
    if sum(len(other.pending) for other in handling.state.journeys) >= PENDING_PER_MEMBER_MAX:
        return False
    journey.pending = [*journey.pending, pending]
    handling.set_timer(due, MESSAGE_TIMER, journey.number, pending.path)
    return True


def forget(journey: Journey, pending: Pending) -> None:
    """It is decided, or about to be."""
    if not journey.pending:
        return
    journey.pending = [item for item in journey.pending if item is not pending]


def _send(
    handling: Handling,
    journey: Journey,
    campaign: "CampaignPlan",
    message: MessagePlan,
    step: StepPlan,
    pending: Pending,
) -> _Verdict | None:
    """Send the step, or say why not. Leaves the dispatch id in `pending.sent` if a later step hangs on it."""
    state, plan, now = handling.state, handling.plan, handling.state.clock
    # A journey of an earlier version may name a type that the policies in force have no more.
    kind = plan.types.get(message.messaging_type) or plan.types["marketing"]
    if not consents(state, step.channel, message.messaging_type, kind.consent):
        return _UNSUBSCRIBED
    address = _address(state, step)
    if address is None or step.channel in state.profile.undeliverable:
        return _NO_ADDRESS
    expires_at = None if message.expires is None else message.expires.after(pending.action_at)
    if expires_at is not None and now > expires_at:
        return _EXPIRED
    capped = kind.capped and not step.exempt
    if capped and plan.caps:
        verdict = _cap_in_the_way(handling, step.channel)
        if verdict is not None:
            return verdict
    quiet = plan.quiet if kind.quiet and not step.exempt else None
    if quiet is not None and within(now, quiet.start, quiet.end, handling.zone):
        return _Verdict("quiet_hours", next_local(now, quiet.end, handling.zone) if quiet.defers else None)
    template = handling.programme.templates.get(step.template)
    if template is None:
        return _TEMPLATE_ERROR
    if step.moderated and not template.moderated:
        return _NOT_MODERATED
    work = handling.allowance(journey.campaign).work
    try:
        content = template.render(step.channel, MessageData(handling, journey, campaign, message.poll_id), work)
    except TemplateLimitError:
        return _Verdict("template_error", None, "template")
    except TemplateError:
        return _TEMPLATE_ERROR
    not_after = expires_at
    if quiet is not None:
        quiet_from = next_local(now, quiet.start, handling.zone)
        not_after = quiet_from if not_after is None else min(not_after, quiet_from)
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
        not_after=not_after,
        network=step.network,
    )
    handling.output.append(dispatch)
    remember(handling, dispatch, None if campaign.goal is None else campaign.goal.period, capped=capped)
    if message.name is not None:
        journey.named = {**journey.named, message.name: [*journey.named.get(message.name, ()), dispatch.dispatch_id]}
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


def _address(state: MemberState, step: StepPlan) -> str | None:
    """Where the channel reaches the member; None if nowhere."""
    profile = state.profile
    match step.address:
        case "phone":
            return profile.phone
        case "email":
            return profile.email
        case "push_token":
            return profile.push_token
        case "member_id":
            return state.key
        case "profile":
            if step.network is not None:
                return profile.social.get(step.network)
            return next(iter(profile.social.values()), None)
    return None


def _cap_in_the_way(handling: Handling, channel: str) -> _Verdict | None:
    now = handling.state.clock
    for cap in handling.plan.caps:
        if cap.channel is not None and cap.channel != channel:
            continue
        counting = [
            sent.at
            for sent in handling.state.sent
            if sent.capped and (cap.channel is None or cap.channel == sent.channel) and cap.per.after(sent.at) > now
        ]
        if len(counting) < cap.max:
            continue
        if cap.defers:
            counting.sort()
            return _Verdict("frequency_cap", cap.per.after(counting[len(counting) - cap.max]))
        return _Verdict("frequency_cap")
    return None
