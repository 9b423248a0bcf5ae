"""What a recovery tells of itself while it lasts, and when it doesn't build upon what is there."""

import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from streams.members.record import pack
from streams.members.recover import Progress, recover_store, write_fences
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.pipeline.store import MemoryStore


def test_every_five_seconds_it_tells_rate_rest_and_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streams.members.recover")
    progress = Progress("changelog/3", 3, now=100.0, offsets=1_000_000)
    progress.came(104.0, records=300_000, remaining=600_000)
    assert caplog.messages == []
    progress.came(105.0, records=400_000, remaining=500_000)
    progress.came(109.0, records=700_000, remaining=200_000)
    progress.came(110.0, records=800_000, remaining=0)
    assert caplog.messages == [
        "recovering changelog/3: 400000 records read, 80000/s, at most 500000 to go, about 5 s",
        "recovering changelog/3: 800000 records read, 80000/s, at most 0 to go, about 0 s",
    ]
    assert REGISTRY.get_sample_value("rekindle_recovery_remaining_records", {"partition": "3"}) == 0


@pytest.mark.parametrize(("have", "kept"), [(1, True), (2, True), (3, False), (4, False)])
def test_a_store_that_has_what_the_changelog_lost_is_rebuilt(have: int, kept: bool) -> None:
    log = Log(Clock(1_700_000_000_000))
    log.create_topic("changelog", 1)
    kafka: Any = MemoryKafka(Network(log, Clock(1_700_000_000_000)))
    log.append(("changelog", 0), [(b"m1", pack(None, b"x"), 0)] * 3)
    store = MemoryStore(Path())
    store.write([(b"m2", pack(None, b"y"), None)], have)
    fence = write_fences(kafka, "changelog", [0])[0]
    assert fence == 3
    recover_store(kafka, "changelog", 0, store, stage="members", fence=fence, abandoned=lambda: False)
    assert store.get([b"m1", b"m2"]) == [
        pack(None, b"x") if have < 2 or not kept else None,
        pack(None, b"y") if kept else None,
    ]
