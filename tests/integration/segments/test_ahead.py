"""Publishing waits for workers that are behind, and for nobody where none runs."""

import os
import signal
import threading
from dataclasses import replace

import pytest

from schemas.topics import create_topics
from streams.engine.events import Event
from streams.publisher import Publisher
from streams.segments.ahead import Workers
from tests.integration.sinks.support import codec_of
from tests.support import children_of, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]

AT = 1_500_000_000_000
WAITING = 500


class CountedStop(threading.Event):
    """Never set; says how often somebody waited on it."""

    waits = 0

    def wait(self, timeout=None):
        self.waits += 1
        return super().wait(timeout)


def publish(settings, count):
    create_topics(settings)
    codec_of(settings)
    publisher = Publisher(settings)
    for number in range(count):
        publisher.publish(
            Event(
                event_id=f"e{number}",
                type="segment_assigned",
                occurred_at=AT,
                source="test",
                key=f"m{number}",
                member_id=f"m{number}",
                body={"segment": "vip"},
            )
        )
    publisher.flush()
    assert publisher.acknowledged == count


def test_without_a_worker_there_is_nobody_to_wait_for(settings):
    publish(settings, WAITING)
    stop = CountedStop()
    Workers(replace(settings, segments_lag=WAITING - 1), stop).wait()
    assert stop.waits == 0


@pytest.mark.timeout(240)
def test_it_waits_until_the_workers_are_close_behind(settings, process):
    publish(settings, 1)
    worker = process("worker", env={"REKINDLE_CLOCK": "event"})
    behind = replace(settings, segments_lag=WAITING - 1)
    reader = Workers(replace(settings, segments_lag=1), CountedStop())
    worker.until(lambda: reader._lag() == 0 and reader._run(), 120, "the worker's start")
    stages = children_of(worker.pid)
    assert stages
    for stage in stages:
        os.kill(stage, signal.SIGSTOP)
    publish(settings, 2 * WAITING)
    stop = CountedStop()
    waiting = threading.Thread(target=Workers(behind, stop).wait)
    waiting.start()
    until(lambda: stop.waits >= 2, 60, "the wait")
    assert waiting.is_alive()
    Workers(replace(settings, segments_lag=0), stop).wait()  # told not to wait
    for stage in stages:
        os.kill(stage, signal.SIGCONT)
    until(lambda: not waiting.is_alive(), 120, "the end of the wait")
    assert worker.terminate() == 0
