"""The broker killed with -9 under load and started again, with workers that join and leave meanwhile: no trace of it.

Workers end when they cannot go on without it, and whoever runs them starts them again, as here.

`python -m pytest tests/soak/kill_broker.py`: about two minutes, too long for every change. It failed nearly always
before `infra.local.kafka_fence`: a transaction that was decided and not yet marked when the broker died stayed open.
"""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra import local
from infra.local import Services
from tests.replays import Replay, Workers
from tests.support import Guard, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]


@pytest.mark.timeout(420)
def test_a_broker_killed_under_load_and_workers_that_come_and_go_leave_no_trace(
    services: Services, environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    replay.publish(5000, 200, seed=9)
    with ExitStack() as stack:
        workers = Workers(replay, stack, {"REKINDLE_BATCH_RECORDS_MAX": "8"})
        for names, enough in ((["a"], 20), (["a", "b", "c"], 200), (["a", "c"], 400)):
            workers.run(*names)
            workers.until(lambda enough=enough: replay.decided() > enough, 90, f"{enough} decisions of {names}")
            _kill_kafka(services)
            local.up(services.directory)
        workers.run("c")
        workers.finish()
    assert replay.differences(150) == []


def _kill_kafka(services: Services) -> None:
    (kafka,) = (each for each in local.status(services.directory) if each.service == "kafka")
    assert kafka.pid is not None
    os.kill(kafka.pid, signal.SIGKILL)
    until(lambda: _is_down(services), 20, "the end of Kafka")


def _is_down(services: Services) -> bool:
    return any(each.service == "kafka" and each.state == "down" for each in local.status(services.directory))
