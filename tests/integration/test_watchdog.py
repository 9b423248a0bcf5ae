"""A worker that is stuck in the middle of a commit ends by itself, and the next one does what it left undone."""

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]


@pytest.mark.timeout(200)
def test_a_stuck_worker_ends_itself(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    replay = {"REKINDLE_CLOCK": "event", "REKINDLE_WATCHDOG_SECONDS": "6"}
    for command in (
        ("campaigns", "apply", ROOT / "campaigns"),
        ("publish", write_events(tmp_path / "events.jsonl", 500, 50, seed=8)),
    ):
        done = run_rekindle(*command, env={**environment, **replay})
        assert done.returncode == 0, done.stderr
    stuck = process(
        "worker", env={**replay, "REKINDLE_INSTANCE": "only", "REKINDLE_FAULT": "members.offsets_sent:1:hang"}
    )
    assert until(lambda: stuck.returncode, 90, "the end of the stuck worker") == 1
    assert "members has lag and has made no progress for" in stuck.output
    assert sum(map(len, read_topic(settings, "decisions").values())) == 0
    heir = process("worker", env={**replay, "REKINDLE_INSTANCE": "only"})
    heir.until(lambda: records_waiting(settings, "members") == 0 == records_waiting(settings, "ingest"), 90, "the end")
    heir.until(lambda: sum(map(len, read_topic(settings, "decisions").values())) > 100, 30, "decisions")
    assert heir.terminate(10) == 0, heir.output


@pytest.mark.timeout(200)
def test_a_worker_that_hangs_in_its_recovery_ends_itself(
    environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    replay = {"REKINDLE_CLOCK": "event", "REKINDLE_WATCHDOG_SECONDS": "6"}
    done = run_rekindle("campaigns", "apply", ROOT / "campaigns", env={**environment, **replay})
    assert done.returncode == 0, done.stderr
    stuck = process("worker", env={**replay, "REKINDLE_FAULT": "members.recovering:1:hang"})
    assert until(lambda: stuck.returncode, 90, "the end of the stuck worker") == 1
    assert "members has partitions that aren't ready and has made no progress for" in stuck.output
