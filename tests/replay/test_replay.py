"""Recorded histories: what came out of each log must come out again, to the last field and in the same order."""

import json
from itertools import pairwise

import pytest

from schemas.catalogue import EVENT_TYPES
from streams.engine.actions import Action
from streams.engine.channels import CHANNELS
from streams.engine.commands import ProfileCheck
from streams.engine.decision import OUTCOMES, REASONS
from streams.engine.events import Event, Tick
from streams.engine.triggers import Trigger
from streams.simulate import simulate
from tests.replay.differences import tell_differences
from tests.replay.history import HOME, History, hash_lines, histories
from tests.replay.record import CHANGES, entries
from tests.replay.replaying import Replay, format_output

HISTORIES = list(histories())
BYTES_MAX = 1_500_000
every_history = pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.name)
every_snapshot = pytest.mark.parametrize(
    ("history", "version"),
    [(history, version) for history in HISTORIES for version in history.snapshots()],
    ids=lambda value: value.name if isinstance(value, History) else f"v{value}",
)


def replayed(history: History) -> list[str]:
    return Replay(history.programmes()).take_all(history.log())


def how_to_record(history: History) -> str:
    return (
        "\n\nIf this is what you want, record it with the reason:\n"
        f'    python -m tests.replay.record {history.name} --reason "..."'
    )


@every_history
def test_a_history_gives_what_it_gave(history: History) -> None:
    found = tell_differences(history.expected(), replayed(history))
    assert not found, f"{history.name}: {found}{how_to_record(history)}"


@every_snapshot
def test_a_history_goes_on_from_states_that_were_written_in_its_middle(history: History, version: int) -> None:
    snapshot = history.snapshots()[version]
    programmes = history.programmes()
    replay = history.restored(version, programmes, snapshot["partitions"])
    rest = replay.take_all(history.log()[snapshot["after"] :])
    told = tell_differences(history.expected()[snapshot["records_before"] :], rest)
    assert hash_lines(rest) == snapshot["hash_of_rest"], (
        f"{history.name} from version {version}: {told}{how_to_record(history)}"
    )
    assert len(rest) > 100


@pytest.mark.parametrize(
    "history", [each for each in HISTORIES if len(each.programmes()) == 1], ids=lambda history: history.name
)
def test_simulate_gives_the_same(history: History) -> None:
    """But for the order among the members whose timers one tick fires, and friends' purchases, which the log has."""
    (programme,) = history.programmes().values()
    records = list(history.log())
    until = max(record.occurred_at for record, _ in records)
    output = simulate(programme, records, until=until, in_order=True)
    found = [format_output(item) for item in output if not isinstance(item, ProfileCheck)]
    assert sorted(found) == sorted(line for line in history.expected() if " friend_purchase_completed " not in line)


@every_history
def test_nothing_was_recorded_without_a_reason(history: History) -> None:
    last = dict(entries(CHANGES)).get(history.name)
    assert last == history.fingerprint(), (
        f"{history.name} was changed by hand; {CHANGES.name} speaks of {last}{how_to_record(history)}"
    )


def test_every_entry_is_of_a_history() -> None:
    assert {name for name, _ in entries(CHANGES)} == {history.name for history in HISTORIES}


def test_histories_stay_small() -> None:
    sizes = [path.stat().st_size for path in HOME.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(sizes) < BYTES_MAX


# What they hold ------------------------------------------------------------------------------------------------------


def lines() -> list[list[str]]:
    return [line.split(" ", 5) for history in HISTORIES for line in history.expected()]


def test_histories_reach_every_outcome_reason_and_channel() -> None:
    decided = {what.split(":")[0]: None for _, _, _, _, what, *_ in lines() if ":" in what}
    reasons = {what.split(":")[1] for _, _, _, _, what, *_ in lines() if ":" in what}
    channels = {json.loads(rest[0])["channel"] for _, _, _, _, what, *rest in lines() if what == "dispatch"}
    assert (set(decided), reasons, channels) == (set(OUTCOMES), set(REASONS), set(CHANNELS))
    assert {"award", "webhook", "attribution", "friend_purchase_completed"} <= {
        what for _, _, _, _, what, *_ in lines()
    }


def test_histories_hold_every_trigger_and_action() -> None:
    campaigns = [
        campaign for history in HISTORIES for each in history.programmes().values() for campaign in each.campaigns
    ]
    kinds = {type(action).kind for campaign in campaigns for _, action in campaign.walk_actions()}
    assert kinds == set(Action.kinds())
    assert {type(trigger).kind for campaign in campaigns for trigger in campaign.triggers} == set(Trigger.kinds())


NOT_ON_A_LOG = {"members_merged", "segment_entered", "segment_left"}
"""Identity changes states by hand of ingest; a member's own segments turn within the step."""


def test_histories_hold_every_event_late_twice_and_of_the_past() -> None:
    types, late, twice, past = set(), set(), set(), set()
    for history in HISTORIES:
        clocks: dict[str, int] = {}
        seen: set[tuple[str, str]] = set()
        for item, _ in history.log():
            if isinstance(item, Event):
                types.add(item.type)
                late |= {history.name} if item.occurred_at < clocks.get(item.key, item.occurred_at) else set()
                twice |= {history.name} if (item.key, item.event_id) in seen else set()
                past |= {history.name} if item.historical else set()
                clocks[item.key] = max(item.occurred_at, clocks.get(item.key, item.occurred_at))
                seen.add((item.key, item.event_id))
    assert types == set(EVENT_TYPES) - NOT_ON_A_LOG
    for names in (late, twice, past):
        assert {"library-live", "every-kind", "programme-changes"} <= names


def test_an_outage_is_among_them() -> None:
    (history,) = (each for each in HISTORIES if each.name == "every-kind")
    ticks = [item.occurred_at for item, _ in history.log() if isinstance(item, Tick) and item.wall]
    assert max(later - earlier for earlier, later in pairwise(ticks)) > 4 * 86_400_000
