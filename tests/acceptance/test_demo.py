"""The demo on a part of its data: the whole pipeline, its proof, its report, and nothing left behind."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import local
from streams.demo.children import stop_leftovers
from tests.support import PROGRAM, ROOT, Guard, find_browser, program_environment, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

MEMBERS = 60
FIELDS = {
    "receipts": int,
    "members": int,
    "events": int,
    "dispatches": dict,
    "awards": int,
    "attributed": dict,
    "suppressed": dict,
    "dead_letters": int,
    "agrees_with_simulate": bool,
    "seconds": float,
    "events_per_second": float,
}
CAMPAIGNS = {
    "big-basket": ["email"],
    "birthday": ["sms"],
    "cart-left": ["email"],
    "coffee": ["email"],
    "come-back": ["sms"],
    "welcome": ["email"],
}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo") / "run"
    guard = Guard()
    guard.watch_services(folder / "local")
    yield folder
    stop_leftovers(folder)
    local.down(folder / "local")
    guard.close()


@pytest.fixture(scope="module")
def first(directory: Path) -> tuple[dict[str, Any], str, list[str]]:
    """Summary, report and the ids of all messages, awards and attributions of a run that nothing disturbs."""
    return _run(directory)


def _run(directory: Path, *options: str) -> tuple[dict[str, Any], str, list[str]]:
    done = run_rekindle("demo", "--members", str(MEMBERS), "--dir", directory, *options, seconds=280)
    assert done.returncode == 0, done.stderr
    assert "to the id" in done.stderr
    _assert_nothing_runs(directory)
    summary = json.loads((directory / "summary.json").read_text())
    assert json.loads(done.stdout) == summary
    lines = [json.loads(line) for line in _lines(directory / "simulated.jsonl")]
    ids = sorted(line[f"{line['kind']}_id"] for line in lines)
    return summary, (directory / "report.html").read_text(), ids


def _assert_nothing_runs(directory: Path) -> None:
    assert [row.service for row in local.status(directory / "local") if row.state != "down"] == []
    ours = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(directory).encode() in _read(path)]
    assert ours == []
    assert json.loads((directory / "children.json").read_text()) == []


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_summary_says_what_came_out(first: tuple[dict[str, Any], str, list[str]]) -> None:
    summary, _, ids = first
    assert {name: type(value) for name, value in summary.items()} == FIELDS
    assert (summary["receipts"], summary["members"]) == (3_908, MEMBERS)
    assert summary["agrees_with_simulate"]
    assert summary["dead_letters"] == 0
    assert {name: sorted(channels) for name, channels in summary["dispatches"].items()} == CAMPAIGNS
    dispatched = sum(count for channels in summary["dispatches"].values() for count in channels.values())
    assert sum(summary["attributed"].values()) > 0
    assert dispatched + summary["awards"] < len(ids) == len(set(ids))
    assert {"no_address", "frequency_cap", "unsubscribed"} <= summary["suppressed"].keys()


def test_every_message_was_handed_over_once(directory: Path, first: tuple[dict[str, Any], str, list[str]]) -> None:
    summary, _, _ = first
    for channel in ("sms", "email"):
        written = [json.loads(line)["dispatch_id"] for line in _lines(directory / "outbox" / f"{channel}.jsonl")]
        wanted = sum(channels.get(channel, 0) for channels in summary["dispatches"].values())
        assert len(written) == len(set(written)) == wanted


def test_simulation_of_the_input_alone_gives_the_same(
    first: tuple[dict[str, Any], str, list[str]], tmp_path: Path
) -> None:
    """Not only the exported log: the events as the producer had them, sorted, without ticks or statuses."""
    events = tmp_path / "input.jsonl"
    assert run_rekindle("demo", "input", "--out", events, "--members", str(MEMBERS)).returncode == 0
    until = "--until", "2018-06-30T00:00:00Z"
    simulated = run_rekindle("simulate", ROOT / "campaigns", events, *until, "--attributions")
    lines = [json.loads(line) for line in simulated.stdout.splitlines()]
    assert sorted(line[f"{line['kind']}_id"] for line in lines) == first[2]


def test_report_is_whole(first: tuple[dict[str, Any], str, list[str]]) -> None:
    summary, report, _ = first
    for section in ("Receipts by day", "Campaigns and channels", "Funnels", "RFM", "The run itself", "Latency"):
        assert section in report
    assert f"{summary['receipts']:,}" in report
    assert "http://" not in report.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.browser
def test_report_is_drawn_by_a_browser(directory: Path, first: tuple[dict[str, Any], str, list[str]]) -> None:
    """Nothing but the file is loaded, and the page has its charts."""
    page = first[1]
    browser = find_browser()
    assert browser is not None
    drawn = _dump(browser, directory)
    assert drawn.count("<svg") == page.count("<svg") > 8
    assert drawn.count("<rect") == page.count("<rect")


def _dump(browser: str, directory: Path) -> str:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    flags += ["--disable-background-networking", "--disable-component-update"]
    profile = f"--user-data-dir={directory.parent / 'profile'}"
    command = [browser, *flags, profile, "--dump-dom", (directory / "report.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_killed_worker_changes_nothing(directory: Path, first: tuple[dict[str, Any], str, list[str]]) -> None:
    summary, _, ids = _run(directory, "--kill-worker")
    assert ids == first[2]
    for name in ("receipts", "members", "events", "dispatches", "awards", "suppressed", "dead_letters"):
        assert summary[name] == first[0][name], name


def test_whoever_ends_it_ends_everything(directory: Path) -> None:
    shutil.rmtree(directory / "logs", ignore_errors=True)
    command = [*PROGRAM, "demo", "--members", "5", "--dir", str(directory)]
    process = subprocess.Popen(
        command, env=program_environment(), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        until((directory / "logs" / "worker-1.log").exists, 120, "a worker")
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 1
    assert "Traceback" not in said
    _assert_nothing_runs(directory)


def test_folder_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = run_rekindle("demo", "--dir", tmp_path)
    assert done.returncode == 1
    assert "expected an empty folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
