"""Recording: what differs is told, and a reason is kept for it."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.engine.state import VERSION
from tests.replay.differences import count_differences, tell_differences
from tests.replay.history import HOME, History
from tests.replay.record import CHANGES, command, entries, record

SENT = '2024-01-01T09:00:00Z m1 back/1 actions[1] dispatch {"channel":"sms","not_after":"2024-01-01T18:00:00Z"}'
LATER = SENT.replace("T09", "T10").replace("T18", "T19")
DEFERRED = "2024-01-01T09:00:00Z m1 back/1 actions[1] deferred:quiet_hours"
ENDED = "2024-01-01T09:00:00Z m1 back/1 - ended:completed"
OTHER = "2024-01-01T09:00:00Z m2 back/1 - ended:completed"


@pytest.fixture
def changes(tmp_path: Path) -> Path:
    """A change log that may be written to."""
    return Path(shutil.copy(CHANGES, tmp_path))


@pytest.fixture
def copied(tmp_path: Path) -> History:
    """A history that may be changed."""
    return History(Path(shutil.copytree(HOME / "clocks", tmp_path / "clocks")))


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        ([SENT, ENDED], [SENT, ENDED], []),
        (
            [SENT, ENDED, OTHER],
            [LATER, ENDED, OTHER],
            [
                "1 records differ (3 there were, 3 there are), of 1 of 2 members; first:",
                "  2024-01-01T09:00:00Z member m1: back/1 actions[1] dispatch",
                '    at: was "2024-01-01T09:00:00Z", is "2024-01-01T10:00:00Z"',
                '    not_after: was "2024-01-01T18:00:00Z", is "2024-01-01T19:00:00Z"',
            ],
        ),
        (
            [SENT, OTHER],
            [SENT, ENDED],
            [
                "2 records differ (2 there were, 2 there are), of 2 of 2 members; first:",
                "  was  nothing",
                f"  is   {ENDED}",
                f"  was  {OTHER}",
                "  is   nothing",
            ],
        ),
        (
            [SENT],
            [DEFERRED],
            [
                "1 records differ (1 there were, 1 there are), of 1 of 1 members; first:",
                f"  was  {SENT}",
                f"  is   {DEFERRED}",
            ],
        ),
        (
            [ENDED, OTHER],
            [OTHER, ENDED],
            ["the same records, in another order from line 1 on:", f"  was  {ENDED}", f"  is   {OTHER}"],
        ),
    ],
)
def test_differences_are_told(was: list[str], now: list[str], told: list[str]) -> None:
    assert tell_differences(was, now).splitlines() == told


def test_differences_are_counted() -> None:
    assert count_differences([SENT, ENDED], [LATER, ENDED, OTHER]) == (2, 1)


def test_nothing_is_written_when_nothing_has_changed(copied: History, changes: Path) -> None:
    before = copied.fingerprint(), changes.read_bytes()
    assert "nothing has changed" in record(copied, "Why not.", changes)
    assert (copied.fingerprint(), changes.read_bytes()) == before


def test_a_changed_campaign_is_recorded_with_its_reason(copied: History, changes: Path) -> None:
    nightly = copied.directory / "programmes" / "1" / "nightly.yaml"
    nightly.write_text(nightly.read_text().replace("30 1,2", "30 2"))
    told = record(copied, "The mailing at half past one is given up.", changes)
    assert "records differ" in told
    assert list(entries(changes))[-1] == ("clocks", copied.fingerprint())
    assert changes.read_text().endswith(": The mailing at half past one is given up.\n")
    assert "nothing has changed" in record(copied, "Why not.", changes)


def test_states_of_earlier_versions_are_kept_as_they_are(copied: History, changes: Path) -> None:
    earlier = copied.directory / "state-v0.jsonl.gz"
    shutil.copy(copied.directory / f"state-v{VERSION}.jsonl.gz", earlier)
    copied.write_snapshots({0: copied.snapshots()[VERSION], VERSION: copied.snapshots()[VERSION]})
    before = earlier.read_bytes()
    plain = copied.directory / "programmes" / "1" / "templates" / "all.yaml"
    plain.write_text(plain.read_text().replace("Age", "Years"))
    assert "records differ" in record(copied, "Another word.", changes)
    assert earlier.read_bytes() == before
    assert copied.snapshots()[0] == copied.snapshots()[VERSION]


@pytest.mark.parametrize(
    "wrong", [["clocks"], ["clocks", "--reason", "  "], ["clock", "--reason", "x"], ["--reason", "x"]]
)
def test_wrong_usage_writes_nothing(wrong: list[str]) -> None:
    before = (HOME / "CHANGES.md").read_bytes()
    assert CliRunner().invoke(command, wrong).exit_code == 2
    assert (HOME / "CHANGES.md").read_bytes() == before


def test_an_entry_by_hand_is_refused(tmp_path: Path) -> None:
    changes = tmp_path / "CHANGES.md"
    changes.write_text("- **clocks**: just so\n")
    with pytest.raises(ValueError, match="no entry"):
        list(entries(changes))
