"""The reader's place never goes back by itself: the client does that where Kafka lost the end of a partition."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.errors import RekindleError
from streams.runtime import consumer as consumer_module
from streams.runtime.consumer import BatchConsumerThread

PLACE = TP("member.events", 0)


class Client:
    """aiokafka's consumer with one partition: what there is from its place on is fetched at once."""

    def __init__(self) -> None:
        self.state = SimpleNamespace(position=0, has_valid_position=True, lso=0)
        self._subscription = self
        self._fetcher = SimpleNamespace(
            _subscriptions=SimpleNamespace(reassignment_in_progress=False), fetched_records=self._fetched
        )

    async def _fetched(self, *_: Any, **__: Any) -> dict[TP, list[Any]]:
        self.state.position = max(self.state.position, self.state.lso)
        return {}

    def seek(self, _place: TP, offset: int) -> None:
        self.state.position = offset

    async def position(self, _place: TP) -> int:
        return int(self.state.position)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(consumer_module, "_state", lambda _subscriptions, _tp: client.state)
    return client


@pytest.fixture
def thread() -> BatchConsumerThread:
    made = BatchConsumerThread.__new__(BatchConsumerThread)
    made.consumer = SimpleNamespace(flow_active=True, _read_offset={})  # type: ignore[assignment]
    made.app = SimpleNamespace(conf=SimpleNamespace(broker_request_timeout=1))  # type: ignore[assignment]
    made.log = SimpleNamespace(dev=lambda *_: None)  # type: ignore[assignment]
    made._told_at_end, made._reached = {}, {}
    return made


def test_a_place_that_went_back_ends_the_reading(thread: BatchConsumerThread, client: Client) -> None:
    async def scenario() -> None:
        client.state.lso = 1000
        await thread._fetch_now(client, {PLACE}, None)
        client.state.position, client.state.lso = 0, 990  # it began anew
        with pytest.raises(RekindleError, match=r"member\.events/0 was read up to 1000, which Kafka has lost"):
            await thread._fetch_now(client, {PLACE}, None)

    asyncio.run(scenario())


def test_a_place_that_was_sought_and_is_not_there_ends_the_reading(thread: BatchConsumerThread, client: Client) -> None:
    async def scenario() -> None:
        await thread._seek_wait(client, {PLACE: 1000})  # type: ignore[arg-type]
        client.state.position, client.state.lso = 0, 990
        with pytest.raises(RekindleError):
            await thread._fetch_now(client, {PLACE}, None)

    asyncio.run(scenario())


def test_whoever_seeks_an_earlier_place_reads_on_from_there(thread: BatchConsumerThread, client: Client) -> None:
    async def scenario() -> None:
        client.state.lso = 1000
        await thread._fetch_now(client, {PLACE}, None)
        await thread._seek_wait(client, {PLACE: 700})  # type: ignore[arg-type]
        found = await thread._fetch_now(client, {PLACE}, None)
        assert (found.positions[PLACE].start, found.positions[PLACE].end) == (700, 1000)

    asyncio.run(scenario())
