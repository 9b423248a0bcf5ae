"""Faust's consumer, changed in six places so that no record can be lost, doubled or taken before its time.

1. It reads `read_committed` whatever Faust's own guarantee is set to, and long-polls briefly: aiokafka keeps one
   request per broker in flight, and a partition that was just emptied waits for it to return. Between two requests it
   pauses: each names every partition, and what comes one by one would be asked for one by one.
2. It starts where the last *decided* commit stands. Committed offsets are asked for through librdkafka, which waits
   until no transaction that contains them is pending; the client under Faust would return older ones. A partition
   without a commit starts where the stage says, else at its beginning.
3. Every batch carries the positions around it, so that the stage can prove that nothing is missing (`Batch`).
4. A partition that the stage holds back isn't fetched, without Faust's pausing, which drops what was already fetched;
   full queues simply block the fetcher.
5. It never goes back by itself. Where its place is behind the end of a partition, because Kafka has lost that end, the
   client under Faust begins anew with the oldest record: stages would pass over all up to the place where they were,
   new ones included. So that ends the process; the next start sees how far the partition goes (`Tenure`).
6. The flow stops when partitions are assigned and starts again only after the state is recovered and positions sought.

The `_private` names below belong to the pinned versions of Faust and aiokafka; the tests of this file run them.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

from streams.errors import RekindleError
from streams.runtime.batch_scheduler import Fetched, Position

FETCH_WAIT_MS_MAX = 50
NEWS_WAIT_SECONDS = 0.05


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The thread that talks to the broker."""

    logger = logging.getLogger("faust.rekindle")

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # noqa: SLF001
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS_MAX  # noqa: SLF001
        # without tables Faust would choose an assignor that tears the partitions of one number apart
        consumer._partition_assignment_strategy = [self.app.assignor]  # noqa: SLF001
        self._told_at_end: dict[TP, bool] = {}
        self._reached: dict[TP, int] = {}  # how far each partition is read, or sought
        self._paced: Any = None  # the fetcher that pauses
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> Fetched:
        deadline = time.monotonic() + (timeout or 0.0)
        if consumer._closed or consumer._fetcher._closed:  # noqa: SLF001
            raise ConsumerStoppedError
        if self._paced is not consumer._fetcher:  # noqa: SLF001
            self._paced = consumer._fetcher  # noqa: SLF001
            pause_seconds = cast("BatchConsumer", self.consumer).pause_seconds
            self._paced._proc_fetch_request = paced(self._paced._proc_fetch_request, pause_seconds)  # noqa: SLF001
        with consumer._fetcher._subscriptions.fetch_context():  # noqa: SLF001
            while True:
                held = cast("BatchConsumer", self.consumer).held
                fetched = await self._fetch_now(consumer, active_partitions - held, max_records)
                remaining = deadline - time.monotonic()
                if fetched.positions or remaining <= 0:
                    return fetched
                waiter = consumer._fetcher._create_fetch_waiter()  # noqa: SLF001
                done, _ = await asyncio.wait([waiter], timeout=min(remaining, NEWS_WAIT_SECONDS))
                if done:
                    waiter.result()  # an error of authorization shows here
                else:
                    waiter.cancel()

    async def _fetch_now(self, consumer: Any, partitions: set[TP], max_records: int | None) -> Fetched:
        fetched = Fetched()
        fetched.positions = {}
        subscriptions = consumer._fetcher._subscriptions  # noqa: SLF001
        if not partitions or not self.consumer.flow_active or subscriptions.reassignment_in_progress:
            return fetched
        states = {tp: _state(subscriptions, tp) for tp in partitions}
        starts = {tp: state.position for tp, state in states.items() if state is not None and state.has_valid_position}
        if not starts:
            return fetched
        for tp, start in starts.items():
            if start < (reached := self._reached.get(tp, 0)):
                raise RekindleError(f"{tp.topic}/{tp.partition} was read up to {reached}, which Kafka has lost")
        # with timeout 0 this takes what is there and never gives way to another task: positions and records agree
        fetcher = consumer._fetcher  # noqa: SLF001
        fetched.update(await fetcher.fetched_records(set(starts), timeout=0, max_records=max_records))
        positions = {}
        for tp, start in starts.items():
            state = states[tp]
            self._reached[tp] = state.position
            at_end = state.lso is not None and state.position >= state.lso
            # without records: the partition came to its end, or markers of transactions alone were passed
            if tp in fetched or at_end != self._told_at_end.get(tp) or state.position != start:
                positions[tp] = Position(start, state.position, at_end)
                self._told_at_end[tp] = at_end
        fetched.positions = positions
        return fetched

    async def _seek_wait(self, consumer: Any, partitions: Mapping[TP, int]) -> None:
        self._reached = dict(partitions)
        await super()._seek_wait(consumer, partitions)

    def forget_ends(self) -> None:
        """Tell anew which partitions are at their end."""
        self._told_at_end.clear()


def paced(fetch: Callable[..., Awaitable[Any]], seconds: float) -> Callable[..., Awaitable[Any]]:
    """Let a request to a broker begin no sooner than so many seconds after the last one ended."""
    ended: dict[Any, float] = {}

    async def request_after_pause(assignment: Any, node: Any, request: Any) -> Any:
        pause = ended.get(node, 0.0) + seconds - time.monotonic()
        try:
            if pause > 0:
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            return False  # as the request itself answers: nothing new
        try:
            return await fetch(assignment, node, request)
        finally:
            ended[node] = time.monotonic()

    return request_after_pause


def _state(subscriptions: Any, tp: TP) -> Any:
    subscription = subscriptions.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None or tp not in assignment.tps:
        return None
    return assignment.state_value(tp)


class BatchConsumer(Consumer):
    """The consumer as Faust's services see it.

    `seek_positions`, the host's, says where to start; `pause_seconds`, how long to pause between fetches.
    """

    logger = logging.getLogger("faust.rekindle")
    seek_positions: Callable[[set[TP]], Awaitable[Mapping[TP, int]]]
    pause_seconds = 0.0

    def __init__(self, *args: Any, **options: Any) -> None:
        self.held: set[TP] = set()
        super().__init__(*args, **options)

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Stop the flow first: nothing may be fetched before state and positions are ready."""
        self.stop_flow()
        self.app.flow_control.suspend()
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """Seek every partition to its decided commit."""
        positions = await self.seek_positions(self.assignment())
        self.held.clear()
        await self.seek_wait(positions)
        for tp, position in positions.items():
            self._read_offset[tp] = position or None
        cast("BatchConsumerThread", self._thread).forget_ends()

    def ends(self) -> Mapping[TP, int]:
        """Return the end of each partition as the broker last told it, of those that may be read."""
        consumer = self._thread._ensure_consumer()  # noqa: SLF001
        states = {tp: _state(consumer._fetcher._subscriptions, tp) for tp in self.assignment()}  # noqa: SLF001
        return {tp: state.lso for tp, state in states.items() if state is not None and state.lso is not None}

    @property
    def coordinator(self) -> Any:
        """The client's place in the group."""
        return self._thread._ensure_consumer()._coordinator  # noqa: SLF001

    def on_buffer_full(self, tp: TP) -> None:
        """Do nothing: a full queue blocks the fetcher, and nothing that was fetched is dropped."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Do nothing, see `on_buffer_full`."""


class BatchTransport(Transport):
    """What Faust makes its consumer with."""

    Consumer = BatchConsumer
