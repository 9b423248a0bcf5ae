"""The disk of a worker is full in the middle of a replay: it ends, and with space again it goes on as if nothing was.

A limit on the size of its files stands for the full disk: writing beyond it fails as there, and needs no disk.
"""

import resource
from pathlib import Path

import pytest

from tests.replays import Replay
from tests.support import Guard, children_of, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
FILE_BYTES_MAX = 131_072  # more than the worker's log, less than what RocksDB writes over the replay


@pytest.mark.timeout(300)
def test_a_worker_on_a_full_disk_ends_and_loses_nothing(
    environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(6000, 150, seed=9)
    small = {"REKINDLE_BATCH_RECORDS_MAX": "2"}
    with replay.worker("full", env=small) as worker:
        worker.until(lambda: len(children_of(worker.pid)) == 3, 30, "all stages")
        for pid in children_of(worker.pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
        assert until(lambda: worker.returncode, 90, "the end of the worker") == 1
        assert "members ends: " in worker.output
        assert replay.decided() > 0, "the disk was full from the beginning"
        assert replay.waiting() > 0, "the replay was over before the disk was full"
    with replay.worker("full") as worker:
        replay.finish(90)
        assert worker.terminate(10) == 0, worker.output
    assert replay.differences(120) == []
