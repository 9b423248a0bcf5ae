"""What a recovery tells of itself while it lasts."""

import logging

import pytest
from prometheus_client import REGISTRY

from streams.members.recover import Progress


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
