"""A worker whose wall clock is far wrong writes no tick: it ends, and starts again once the clock is right."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.events import Tick
from streams.settings import Settings
from streams.topics import MEMBER_EVENTS
from tests.stream_support import read_topic
from tests.support import ROOT, Command, children_of, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
TOLERANCE_MS = 3_000
YEAR_SECONDS = 365 * 86_400
SITE = """
import os, time
told = time.time_ns
def time_ns():
    with open(os.environ["WRONG_BY"]) as file:
        return told() + int(file.read() or 0) * 1_000_000_000
time.time_ns = time_ns
"""
"""Runs before anything else in a process: its clock is wrong by as many seconds as a file says."""


class Clock:
    """The wall clock of the workers."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        (directory / "sitecustomize.py").write_text(SITE)
        self._file = directory / "wrong_by"
        self.set(0)
        self.environment = {
            "REKINDLE_CLOCK": "wall",
            "REKINDLE_CLOCK_TOLERANCE_SECONDS": str(TOLERANCE_MS // 1000),
            "REKINDLE_INSTANCE": "only",
            "REKINDLE_GROUP_PREFIX": "own",  # so the topic that tells the time is made by the worker
            "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}",
            "WRONG_BY": str(self._file),
        }

    def set(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)


@pytest.mark.timeout(240)
def test_a_clock_that_is_wrong_ends_a_worker_before_it_writes_a_tick(
    settings: Settings, process: Callable[..., Command], tmp_path: Path
) -> None:
    clock = Clock(tmp_path / "clock")
    worker = process("worker", env=clock.environment)
    worker.until(lambda: ticks(settings), 60, "ticks")
    for stop in (signal.SIGSTOP, signal.SIGCONT):  # longer than the tolerance: its clock stays right
        os.kill(ingest_of(worker), stop)
        stopped = time.monotonic()
        until(lambda since=stopped: time.monotonic() > since + 2 * TOLERANCE_MS / 1000, 20)
    before = len(ticks(settings))
    worker.until(lambda: len(ticks(settings)) > before, 30, "ticks after a pause")

    clock.set(YEAR_SECONDS)
    assert until(lambda: worker.returncode, 30, "the end of the worker") == 1
    assert "the clock of this machine says" in worker.output
    for wrong in (YEAR_SECONDS, -3600):
        clock.set(wrong)
        again = process("worker", env=clock.environment)
        assert until(lambda worker=again: worker.returncode, 60, "the end of the worker") == 1
        assert "a start succeeds once they agree" in again.output
    assert max(ticks(settings)) < time.time() * 1000 + TOLERANCE_MS

    clock.set(0)
    before = len(ticks(settings))
    right = process("worker", env=clock.environment)
    right.until(lambda: len(ticks(settings)) > before, 60, "ticks of a right clock")
    assert right.terminate(10) == 0, right.output


def ticks(settings: Settings) -> list[int]:
    """The times of all ticks that were written."""
    codec = Codec(Registry.from_settings(settings))
    records = [record for part in read_topic(settings, MEMBER_EVENTS).values() for record in part]
    decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
    return [item.occurred_at for item in decoded if isinstance(item, Tick)]


def ingest_of(worker: Command) -> int:
    """The process of the worker's first stage."""
    children = children_of(worker.pid)
    return next(each for each in children if b"ingest" in Path(f"/proc/{each}/cmdline").read_bytes().split(b"\0"))
