"""A worker that comes back takes up its own partitions, and reads of their changelog only what it missed."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.settings import Settings
from streams.topics import members_changelog
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
CLOCK = {"REKINDLE_CLOCK": "event"}
PARTITIONS = re.compile(r"members has partitions (\d.*)")
READ = re.compile(r"partitions recovered, (\d+) changelog records")


@pytest.mark.timeout(240)
def test_a_worker_that_comes_back_reads_only_what_it_missed(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    first = process("worker", env=_own(tmp_path, "first"))
    second = process("worker", env=_own(tmp_path, "second"))
    second.until(lambda: _last(PARTITIONS, second), 60, "its share")
    for command in (
        ("campaigns", "apply", ROOT / "campaigns"),
        ("publish", write_events(tmp_path / "events.jsonl", 600, 100, seed=5)),
    ):
        done = run_rekindle(*command, env={**environment, **CLOCK})
        assert done.returncode == 0, done.stderr
    for stage in ("ingest", "members"):
        first.until(lambda stage=stage: records_waiting(settings, stage) == 0, 90, f"the end of {stage}")
    first.until(lambda: len((_last(PARTITIONS, first) or "").split(", ")) == 2, 30, "its share")
    owned = _last(PARTITIONS, second)
    assert second.terminate(10) == 0
    first.until(lambda: len((_last(PARTITIONS, first) or "").split(", ")) == 4, 30, "all partitions")

    back = process("worker", env=_own(tmp_path, "second"))
    back.until(lambda: _last(PARTITIONS, back), 60, "its share")
    assert _last(PARTITIONS, back) == owned
    read, all_of_them = int(_last(READ, back) or 0), read_topic(settings, members_changelog(settings))
    assert read <= 20, f"{read} records of the changelog were read"
    assert sum(map(len, all_of_them.values())) > 100, "each member once at least, however large the batches were"


def _own(directory: Path, name: str) -> dict[str, str]:
    return {**CLOCK, "REKINDLE_DATA_DIR": str(directory / name)}


def _last(pattern: re.Pattern[str], command: Command) -> str | None:
    found = pattern.findall(command.output)
    return found[-1] if found else None
