"""What becomes of a running journey when another programme comes into force (contract §4.7).

It keeps the version it entered with, unless the new version says `in_flight: move` or `stop`. It ends with
`campaign_stopped` where it can't go on: the campaign is stopped or gone, no programme knows its version any more, or
where it stands there is no such action now (a definition that was changed under the same version, or moved to).

A state may have met a later programme than the one in force for the member: one that became part of theirs, from a
partition whose log had that programme earlier. Of its journeys nothing is decided until the later one comes; those that
this one doesn't know wait for it (`is_ahead`).
"""

from typing import TYPE_CHECKING

from streams.engine.handling import Handling
from streams.engine.journeys import leave
from streams.engine.pending import message_at
from streams.engine.state import Journey
from streams.engine.waiting import WAIT_TIMER

if TYPE_CHECKING:
    from streams.engine.campaign import Campaign
    from streams.engine.state import Pending


def carry_all_over(handling: Handling) -> None:
    """What becomes of all journeys of the state under the programme at hand."""
    state = handling.state
    if state.programme <= handling.plan.number:
        for journey in list(state.journeys):
            carry_over(handling, journey)


def is_ahead(handling: Handling, journey: Journey) -> bool:
    """Whether the journey can't go on before a later programme comes, which the state has met already."""
    return handling.state.programme > handling.plan.number and not _can_go_on(handling, journey)


def carry_over(handling: Handling, journey: Journey) -> None:
    """Let the journey go on, move it to the new version, or end it."""
    campaign = handling.programme.current(journey.campaign)
    stops = campaign is None or campaign.status == "stopped"
    if campaign is not None and not stops and journey.version != campaign.version:
        if campaign.in_flight == "move":
            _move(handling, journey, campaign)
        else:
            stops = campaign.in_flight == "stop"
    if stops or not _can_go_on(handling, journey):
        leave(handling, journey, "ended", "campaign_stopped")


def _move(handling: Handling, journey: Journey, campaign: "Campaign") -> None:
    """Go on in the new version at the same place. A wait that is another there is reckoned anew from when it began."""
    old = handling.definition(journey)
    before = None if old is None or journey.at is None else old.script.get(journey.at)
    if journey.entered_version is None:
        journey.entered_version = journey.version
    journey.version = campaign.version
    if journey.at is None or not _can_go_on(handling, journey):
        return
    step = campaign.script[journey.at]
    if before is None or before.action != step.action:
        handling.drop_timers(WAIT_TIMER, journey.number)
        assert step.waiting is not None, "it can go on"
        step.waiting.begin(handling, journey)


def _can_go_on(handling: Handling, journey: Journey) -> bool:
    campaign = handling.definition(journey)
    if campaign is None:
        return False
    if journey.at is not None:
        step = campaign.script.get(journey.at)
        if step is None or step.waiting is None:
            return False
    return all(_can_be_decided(handling, journey, pending) for pending in journey.pending)


def _can_be_decided(handling: Handling, journey: Journey, pending: "Pending") -> bool:
    """Whether there still is such a message, and of a cascade the step that is put off or waits for a status."""
    message = message_at(handling, journey, pending.path)
    return message is not None and pending.step < len(message.steps)
