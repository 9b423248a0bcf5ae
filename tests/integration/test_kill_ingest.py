"""Ingest killed with -9 at each step of its commit, in recovery, its copy of the links lost: the log is a calm run's.

Record for record, but for ticks.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.stream_support import read_topic, records_waiting, without_ticks, write_events
from tests.support import Command, run_rekindle, until

pytestmark = pytest.mark.services
SIGKILLED = -9
SMALL = {"REKINDLE_BATCH_RECORDS_MAX": "100", "REKINDLE_CLOCK": "event"}
POINTS = ("handled", "produced", "offsets_sent", "recovering", "committed")


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(240)
def test_kills_leave_no_trace_in_the_log(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    events = write_events(tmp_path / "events.jsonl", 3000, 150, seed=1)
    published = run_rekindle("publish", events, env=environment)
    assert published.returncode == 0, published.stderr

    _run_to_the_end(settings, process, "calm")
    calm = read_topic(settings, "member.events")

    for passing, point in enumerate(POINTS, start=2):
        if point == "recovering":
            shutil.rmtree(settings.data_dir / "killed" / "ingest" / "links")
        fault = f"ingest.{point}:{1 if point == 'recovering' else passing}"
        killed = _start(process, "killed", REKINDLE_FAULT=fault)
        until(lambda command=killed: command.returncode is not None, 60, f"the kill at {point}")
        assert killed.returncode == SIGKILLED, killed.output
    _run_to_the_end(settings, process, "killed")

    both = read_topic(settings, "member.events")
    assert sum(map(len, calm.values())) >= 3150
    for partition, records in calm.items():
        again = both[partition][len(records) :]
        expected = [record.content for record in without_ticks(settings, records)]
        assert [record.content for record in without_ticks(settings, again)] == expected
        times = [record.timestamp for record in without_ticks(settings, records)]
        assert times == sorted(times), "a replay of stored history is in exact order"


def _start(process: Callable[..., Command], group: str, **extra: str) -> Command:
    own = {"REKINDLE_GROUP_PREFIX": group, "REKINDLE_INSTANCE": group}
    return process("worker", "--only", "ingest", env={**SMALL, **own, **extra})


def _run_to_the_end(settings: Settings, process: Callable[..., Command], group: str) -> None:
    worker = _start(process, group)
    own = replace(settings, group_prefix=group)
    worker.until(lambda: records_waiting(own, "ingest") == 0, 60, "all input handled")
    assert worker.terminate(10) == 0, worker.output
