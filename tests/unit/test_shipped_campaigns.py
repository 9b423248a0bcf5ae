"""The campaigns that ship, the demo's and the library: nothing to complain of, and tested to the last branch."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.check_campaigns import CampaignTests
from streams.programme import Programme, lint, load, read_directory, read_files

CAMPAIGNS = Path(__file__).parents[2] / "campaigns"
LIBRARY = CAMPAIGNS / "library"
DIRECTORIES = pytest.mark.parametrize("directory", [CAMPAIGNS, LIBRARY], ids=["demo", "library"])


@pytest.fixture(scope="module")
def library() -> Programme:
    return load([read_directory(LIBRARY)])


@DIRECTORIES
def test_lint_is_silent(directory: Path) -> None:
    bundle, unreadable = read_files(directory)
    assert [*unreadable, *lint(bundle)] == []


@DIRECTORIES
def test_own_tests_pass_and_reach_everything(directory: Path) -> None:
    tests = CampaignTests(directory)
    failed = {f"{outcome.file.name}: {outcome.case}": outcome.diff for outcome in tests.run() if outcome.complaints}
    assert failed == {}
    assert {each.campaign: each.missed for each in tests.coverage() if each.missed} == {}


def test_library_is_no_part_of_what_the_demo_runs(library: Programme) -> None:
    running = load([read_directory(CAMPAIGNS)])
    assert running.campaigns
    assert not any(name.startswith("library/") for name in read_directory(CAMPAIGNS))
    assert {each.status for each in running.campaigns} == {"live"}


def test_library_holds_what_a_retailer_starts_from_as_drafts(library: Programme) -> None:
    assert {each.id for each in library.campaigns} == {
        *("second-purchase", "fill-in-form", "redeem-points", "social-activity", "invite-friend", "register-in-app"),
        *("welcome-chain", "two-step-reminder", "birthday", "anniversary", "win-back", "post-purchase"),
        *("replenishment-coffee", "status-upgrade", "poll-after-purchase", "points-activate", "points-expire"),
        *("abandoned-cart", "abandoned-browse", "order-cancelled", "first-web-purchase"),
    }
    assert {each.status for each in library.campaigns} == {"draft"}


def _files() -> Iterator[Path]:
    return (path for path in sorted(LIBRARY.rglob("*.yaml")) if "trigger:" in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", list(_files()), ids=lambda file: file.stem)
def test_campaign_says_what_it_is_for_and_what_to_adapt(file: Path) -> None:
    comment = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# ")]
    assert len(comment) >= 2
    assert any("Adapt:" in line for line in comment)
    assert f"id: {file.stem}\n" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", list(_files()), ids=lambda file: file.stem)
def test_whatever_can_cancel_is_seen_to_cancel(file: Path) -> None:
    cases = file.with_name(f"{file.stem}_test.yaml").read_text(encoding="utf-8")
    assert ("cancel_on:" in file.read_text(encoding="utf-8")) == ("outcome: cancelled" in cases)
