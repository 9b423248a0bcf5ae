"""A worker that was thought dead wakes up in the middle of a batch and must not write."""

import os
import signal
from pathlib import Path

import pytest

from tests.replays import Replay
from tests.support import Guard, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]


@pytest.mark.timeout(240)
def test_what_a_zombie_was_about_to_write_is_refused(environment: dict[str, str], tmp_path: Path, guard: Guard) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(6000, 200, seed=5)
    small = {"REKINDLE_BATCH_RECORDS_MAX": "50"}
    with (
        replay.worker("ingest", "--only", "ingest", env=small) as ingest,
        replay.worker("zombie", "--only", "members", env=small) as zombie,
    ):
        zombie.until(lambda: replay.decided() > 0, 60, "decisions")
        os.kill(zombie.pid, signal.SIGSTOP)
        with replay.worker("heir", "--only", "members", env=small) as heir:
            heir.until(lambda: "members has partitions 0, 1, 2, 3" in heir.output, 90, "all partitions")
            os.kill(zombie.pid, signal.SIGCONT)
            until(lambda: zombie.output.count("members has partitions") > 1 or zombie.returncode is not None, 60)
            replay.finish(100)
            assert heir.terminate(10) == 0, heir.output
        assert ingest.terminate(10) == 0, ingest.output
    assert replay.differences(120) == []
