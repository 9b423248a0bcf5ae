"""Where journeys may stand in a campaign, and what becomes of those when another programme comes into force.

The engine itself is asked (`carry_over`), with one journey for each kind: what this says is what will happen.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from streams.engine.actions.poll import Poll
from streams.engine.actions.send import Send
from streams.engine.actions.wait import Wait
from streams.engine.campaign import Campaign, Policies
from streams.engine.carry_over import carry_over
from streams.engine.entry_body import pack
from streams.engine.handling import Handling
from streams.engine.state import Journey, Pending, new
from streams.programme.programme import Definitions, Programme
from streams.programme.uses import may_be_deferred
from streams.programme.versions import running_versions

Standing = Literal["waiting", "deferred", "cascading"]
Fate = Literal["goes_on", "kept", "moved", "ended"]


@dataclass(frozen=True, slots=True)
class JourneyKind:
    """Journeys that entered with one version of a campaign and stand at one place of it, and what becomes of them.

    `doing` says it in words (`wait P14D`). `version` is the one they run, `to_version` the one that they go on in.
    """

    campaign: str
    version: int
    action: str
    standing: Standing
    doing: str
    becomes: Fate
    to_version: int | None
    note: str = ""


def journey_kinds(earlier: Sequence[Definitions], now: Definitions) -> Iterator[JourneyKind]:
    """Every kind of journey that may run under the last of `earlier`, and what `now` does to it."""
    before, after = Programme.compile(earlier), Programme.compile([*earlier, now])
    for name, versions in sorted(running_versions([each.campaigns for each in earlier]).items()):
        for version in sorted(versions):
            campaign = before.definition(name, version)
            if campaign is not None:
                yield from _kinds_of(campaign, before.policies, after)


def _kinds_of(campaign: Campaign, policies: Policies, after: Programme) -> Iterator[JourneyKind]:
    for path, action in campaign.walk_actions():
        if isinstance(action, Wait):
            yield _asked(campaign, after, path, None, f"wait {_described(action)}")
        elif isinstance(action, Send | Poll):
            channels = " → ".join(step.channel for step in action.steps)
            for standing, pending in _pendings(action, path, policies):
                kinds = [
                    _asked(campaign, after, path, each, f"{action.kind} {channels}, {standing}") for each in pending
                ]
                alike = {(kind.becomes, kind.note) for kind in kinds}
                yield from kinds[:1] if len(alike) == 1 else kinds


def _pendings(message: Send | Poll, path: str, policies: Policies) -> Iterator[tuple[Standing, list[Pending]]]:
    put_off = [
        Pending(path, index, 0)
        for index, step in enumerate(message.steps)
        if may_be_deferred(policies, step.channel, message.messaging_type)
    ]
    if put_off:
        yield "deferred", put_off
    if len(message.steps) > 1:
        yield "cascading", [Pending(path, index, 0, "dispatch") for index in range(len(message.steps) - 1)]


def _asked(campaign: Campaign, after: Programme, path: str, pending: Pending | None, doing: str) -> JourneyKind:
    journey = Journey(
        number=1,
        campaign=campaign.id,
        version=campaign.version,
        entered_at=0,
        member_id="",
        entry_source="",
        entry_event_id="",
        entry_at=0,
        entry_body=pack({}),
        base=0,
        at=path if pending is None else None,
        pending=[] if pending is None else [Pending(pending.path, pending.step, 0, pending.sent)],
    )
    handling = Handling(after, new(""))
    handling.state.journeys = [journey]
    carry_over(handling, journey)
    standing: Standing = "waiting" if pending is None else "deferred" if pending.sent is None else "cascading"
    if not handling.state.journeys:
        return JourneyKind(
            campaign.id,
            campaign.version,
            path,
            standing,
            doing,
            "ended",
            None,
            _why_ended(campaign, after, path, pending),
        )
    becomes: Fate = "goes_on"
    if journey.version != campaign.version:
        becomes = "moved"
    else:
        current = after.current(campaign.id)
        becomes = "goes_on" if current is not None and current.version == campaign.version else "kept"
    note = _how_it_goes_on(campaign, after, path, journey.version)
    return JourneyKind(campaign.id, campaign.version, path, standing, doing, becomes, journey.version, note)


def _why_ended(campaign: Campaign, after: Programme, path: str, pending: Pending | None) -> str:
    current = after.current(campaign.id)
    if current is None:
        return "the campaign is gone"
    if current.status == "stopped":
        return "the campaign is stopped"
    if current.version != campaign.version and current.in_flight == "stop":
        return f"version {current.version} says `in_flight: stop`"
    step = current.script.get(path)
    what = "a message" if pending is not None else "a wait"
    if step is None:
        return f"version {current.version} has nothing at {path}"
    if pending is not None and isinstance(step.action, Send | Poll):
        return f"version {current.version} has no step {pending.step + 1} of the cascade at {path}"
    return f"version {current.version} has `{step.action.kind}` at {path}, not {what}"


def _how_it_goes_on(campaign: Campaign, after: Programme, path: str, version: int) -> str:
    runs = after.definition(campaign.id, version)
    step = None if runs is None else runs.script.get(path)
    action = campaign.script[path].action
    if step is None or step.action == action:
        return ""
    if isinstance(step.action, Wait):
        return f"its wait is reckoned anew from when it began: {_described(step.action)}"
    return "it is sent as it now stands there"


def _described(wait: Wait) -> str:
    """`P14D`, `until 10:00`, `for purchase_completed, P3D at most`."""
    if wait.duration is not None:
        return str(wait.duration)
    if wait.until is not None:
        return f"until {wait.until:%H:%M}"
    assert wait.for_ is not None
    return f"for {wait.for_.event}" + (f", {wait.timeout} at most" if wait.timeout is not None else "")
