"""The life of a worker as an orchestrator sees it: not ready before its state is there, ended within ten seconds."""

import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.kafka import client_config, partition_counts, producer_config
from streams.settings import Settings
from streams.topics import members_changelog
from tests.replays import Replay
from tests.support import Guard

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
STOPS = 3
END_SECONDS = 10
SLOW = {"REKINDLE_BATCH_RECORDS_MAX": "2"}


@pytest.mark.timeout(300)
def test_a_worker_told_to_end_under_load_commits_what_it_began_and_leaves(
    environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(8_000, 200, seed=21)
    for number in range(STOPS):
        goal = replay.committed() + 300 * number + 1
        with replay.worker("w", env=SLOW) as worker:
            worker.until(lambda goal=goal: replay.committed() >= goal, 60, "progress")
            assert replay.waiting() > 500, "it wasn't under load any more"
            asked = time.monotonic()
            assert worker.terminate(END_SECONDS) == 0, worker.output
            assert time.monotonic() - asked < END_SECONDS
            assert worker.output.count("everything that was begun is committed") == 3, worker.output
        assert _undecided(replay.settings) == {}
    with replay.worker("w") as worker:
        replay.finish()
        assert worker.terminate(END_SECONDS) == 0, worker.output
    assert replay.differences() == []


def _undecided(settings: Settings) -> dict[str, int]:
    """Records by topic that stand behind the beginning of a transaction that nobody has ended."""
    admin = AdminClient(client_config(settings))
    places = [TopicPartition(name, each) for name, count in partition_counts(settings).items() for each in range(count)]
    ends: list[dict[TopicPartition, int]] = []
    for level in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
        asked = admin.list_offsets({place: OffsetSpec.latest() for place in places}, isolation_level=level)
        ends.append({place: found.result(10).offset for place, found in asked.items()})
    return {place.topic: ends[1][place] - ends[0][place] for place in places if ends[1][place] > ends[0][place]}


@pytest.mark.timeout(180)
def test_a_worker_lives_but_is_not_ready_until_its_state_is_there(
    settings: Settings, environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(500, 100, seed=22)
    with replay.worker("first") as worker:
        assert replay.is_handled(60), worker.output
        assert worker.terminate(END_SECONDS) == 0, worker.output
    changelog = members_changelog(settings)
    slow = Producer({**producer_config(settings), "transactional.id": "somebody-slow"})
    slow.init_transactions(10)
    slow.begin_transaction()
    slow.produce(changelog, b"lost", b"nobody", partition=0)
    assert slow.flush(10) == 0

    with replay.worker("second", "--only", "members") as worker:  # it has no state of its own
        worker.until(lambda: "metrics on" in worker.output, 60, "its port")
        (port,) = re.findall(r"metrics on http://127.0.0.1:(\d+)/", worker.output)

        def answer(path: str) -> tuple[int, str]:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as found:
                    return found.status, found.read().decode().strip()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode().strip()

        def remaining() -> float:
            _, metrics = answer("/metrics")
            line = re.search(r'^rekindle_recovery_remaining_records{partition="0"} (.*)$', metrics, re.MULTILINE)
            return float(line[1]) if line else 0.0

        worker.until(lambda: remaining() > 0, 60, "the recovery of the partition with the open transaction")
        assert answer("/health") == (200, "ok")
        assert answer("/ready") == (503, "partitions are not assigned or recovered yet")
        assert "has partitions" not in worker.output

        slow.abort_transaction(10)
        worker.until(lambda: answer("/ready") == (200, "ok"), 30, "readiness")
        assert remaining() == 0
        assert answer("/health") == (200, "ok")
        assert worker.terminate(END_SECONDS) == 0, worker.output
