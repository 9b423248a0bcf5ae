"""Every suite for logs runs over both."""

import os
from collections.abc import Iterator

import pytest

from streams.kafka import Kafka
from tests.cleaner import busy_cleaner
from tests.contracts.brokers import Broker, MemoryBroker


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "kafka":
        settings = request.getfixturevalue("settings")
        with busy_cleaner(settings):
            yield Broker(Kafka(settings), f"contract-{os.getpid()}")
    else:
        yield MemoryBroker()
