"""The network between a worker and the broker is reset, slowed, cut and frozen: nothing is lost or doubled.

A worker that gives up in the middle ends, and is started again as an orchestrator would. Another worker, on its own way
to the broker, takes its partitions over while it is frozen, and gives some back when it thaws.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from infra.local import ports
from tests.own_broker import Proxy, own_broker
from tests.replays import Replay, Workers
from tests.support import Guard, renew_topics, until

pytestmark = pytest.mark.services
SMALL = {"REKINDLE_BATCH_RECORDS_MAX": "4"}
SMALLER, LARGE = {"REKINDLE_BATCH_RECORDS_MAX": "1"}, {"REKINDLE_BATCH_RECORDS_MAX": "1000"}
ALL = "0, 1, 2, 3"


@pytest.mark.timeout(400)
def test_whatever_the_network_does_the_outputs_are_those_of_a_calm_run(
    environment: dict[str, str], tmp_path: Path, guard: Guard
) -> None:
    port = ports.choose(1)[0]
    with own_broker(tmp_path / "broker", guard, port) as place, Proxy(port).running(place.ports["host"]) as proxy:
        direct = {**environment, "REKINDLE_KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{place.ports['broker']}"}
        through = {**SMALL, "REKINDLE_KAFKA_BOOTSTRAP_SERVERS": f"{ports.HOST}:{port}"}
        replay = Replay(direct, tmp_path, guard)
        renew_topics(replay.settings)
        replay.publish(8000, 150, seed=6)
        with ExitStack() as stack:
            near = {"REKINDLE_KAFKA_BOOTSTRAP_SERVERS": direct["REKINDLE_KAFKA_BOOTSTRAP_SERVERS"]}
            workers = Workers(replay, stack, through, {"near": {**near, **SMALLER}, "last": {**near, **LARGE}})
            workers.run("far")
            workers.until(lambda: workers.partitions("far", "ingest") == ALL, 60, "the partitions")
            workers.run("far", "near")
            for disturb in (proxy.reset, _slow(proxy), _refuse(proxy), _freeze(proxy, workers, replay), proxy.reset):
                before = replay.committed()
                workers.until(lambda before=before: replay.committed() > before, 90, "progress")
                assert replay.waiting() > 0, "the replay was over before the disturbances"
                disturb()
            before = replay.committed()
            workers.until(lambda: replay.committed() > before, 90, "progress")
            workers.run("last")  # quickly: nothing disturbs it any more
            workers.finish()
        assert replay.differences(120) == []


def _slow(proxy: Proxy) -> Callable[[], None]:
    def disturb() -> None:
        proxy.delay_seconds = 0.1

    return disturb


def _refuse(proxy: Proxy) -> Callable[[], None]:
    def disturb() -> None:
        proxy.delay_seconds = 0
        proxy.refuse(on=True)
        _pass(3)
        proxy.refuse(on=False)

    return disturb


def _freeze(proxy: Proxy, workers: Workers, replay: Replay) -> Callable[[], None]:
    def disturb() -> None:
        workers.until(lambda: workers.partitions("far", "members") not in {"", ALL, "none yet"}, 60, "a share for each")
        proxy.freeze(on=True)
        workers.until(lambda: workers.partitions("near", "members") == ALL, 40, "a takeover")
        before = replay.committed()
        workers.until(lambda: replay.committed() > before, 40, "progress of who took over")
        proxy.freeze(on=False)

    return disturb


def _pass(seconds: float) -> None:
    """Let the disturbance last: here time itself is what is waited for."""
    ending = time.monotonic() + seconds
    until(lambda: time.monotonic() > ending, seconds + 1)
