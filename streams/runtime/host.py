"""Runs one stage: Faust brings batches, a thread handles them one at a time, a failure ends the process.

What waits when the thread is free goes to it together, whatever partitions it is of, to be one transaction: few
records in many partitions cost one commit.

The engine's thread is one, and a lock is held around each use of it: batches are handled to their end before partitions
are given away. A batch that was fetched under an earlier deal of the partitions is dropped; its records come again to
whoever owns them now. Whatever goes wrong otherwise ends the process with status 1 and one line, and the next start
begins at the last commit: no error is lived with.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import faust
from confluent_kafka import KafkaError, KafkaException
from faust.types import TP

from streams import metrics
from streams.app import consumer_of, create_app
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.runtime.bounded_waits import waits
from streams.runtime.group_metadata import encode_group_metadata
from streams.runtime.group_offsets import GroupOffsets
from streams.runtime.local_state import LocalState
from streams.runtime.stage import Stage
from streams.runtime.tenure import Tenure
from streams.runtime.transactions import PartitionsLostError
from streams.runtime.waiting_batches import WaitingBatches
from streams.runtime.watchdog import Positions, Seen, Watchdog
from streams.settings import Settings

IDLE_SECONDS = 0.25
STOP_SECONDS_MAX = 8.0

_OF_PARTITIONS = (
    metrics.lag_records,
    metrics.tick_timestamp_seconds,
    metrics.oldest_due_timestamp_seconds,
    metrics.state_bytes,
    metrics.recovery_remaining_records,
    metrics.programme_number,
)

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Host:
    """One stage in this process."""

    def __init__(self, settings: Settings, stage: Stage, group: str, local: LocalState) -> None:
        self._settings = settings
        self._stage = stage
        stage.gives_way = lambda: self._ended.is_set() or self._tenure.generation is None
        self._group = group
        self._local = local
        self._offsets = GroupOffsets(Kafka(settings), group)
        self._tenure = Tenure(stage, self._offsets)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=stage.name)
        self._lock = asyncio.Lock()
        self._ended = asyncio.Event()
        self._waiting = WaitingBatches(settings.batch_records_max)
        self._failure: BaseException | None = None
        self._in_hand = False  # the stage has something that isn't committed
        self._last = threading.Timer(STOP_SECONDS_MAX, self._end_at_once)
        self._last.daemon = True
        self._app: faust.App | None = None
        self._positions: Positions = {}
        self._progress: Positions = {}
        self._in_work = 0  # batches and idle steps that are begun and not done
        self._rested_at = time.monotonic()  # when there was last nothing to do
        self._has_more = False  # the stage has work besides its input
        self._dealt: Collection[int] = ()  # the partitions of the last deal
        self._watchdog = Watchdog(settings, stage.name, self._seen)

    @property
    def ready(self) -> bool:
        """Whether the state of the partitions that were dealt to it is there; a spare worker, dealt none, is ready."""
        return self._takes_batches or (self._tenure.recovered is not None and not self._dealt)

    @property
    def _takes_batches(self) -> bool:
        return self._tenure.generation is not None

    @property
    def is_restoring(self) -> bool:
        """Whether partitions change hands: a batch in hand ends first, then state and positions are sought."""
        return not self.ready and (self._tenure.recovered is not None or self._lock.locked())

    def _seen(self) -> Seen:
        """What the watchdog judges by; in its thread."""
        rests = self._in_work == 0 and self._waiting.is_empty
        takes = self._takes_batches
        return Seen(
            positions=self._positions if takes else {},
            progress=self._progress if takes else {},
            rested_at=time.monotonic() if rests else self._rested_at,
            restoring=self.is_restoring,
            waits=waits.is_on,
        )

    def complaint(self) -> str | None:
        """Say what is wrong with the process, None if nothing is."""
        return self._watchdog.complaint()

    async def run(self) -> int:
        """Run until SIGTERM, SIGINT or a failure; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._begin_to_end)
        try:
            await loop.run_in_executor(self._thread, self._stage.start)
        except RekindleError:
            self._thread.shutdown()
            self._last.cancel()
            raise
        if self._ended.is_set():  # told to before it had begun
            await self._close()
            return 0
        self._app = self._build()
        start = asyncio.ensure_future(self._app.start())
        handling = asyncio.ensure_future(self._handle_waiting())
        idle = asyncio.ensure_future(self._idle())
        for task in (start, handling, idle):  # one that dies quietly would leave a process that does nothing
            task.add_done_callback(self._is_done)
        self._watchdog.start()
        await self._ended.wait()
        await self._stop(start)
        idle.cancel()  # not before: what it has in hand is committed first
        handling.cancel()
        if self._failure is not None:
            logger.error("%s ends: %s", self._stage.name, _one_line(self._failure))
            return 1
        logger.info("%s ended: everything that was begun is committed", self._stage.name)
        return 0

    def _build(self) -> faust.App:
        app = create_app(
            self._settings,
            self._group,
            self._local.path,
            self._local.partitions,
            is_undivided=self._stage.is_undivided,
        )
        consumer = consumer_of(app)
        consumer.seek_positions = self._seek_positions
        consumer.pause_seconds = self._stage.fetch_pause_seconds
        topics = app.topic(
            *self._stage.topics,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            acks=False,
        )
        app.agent(topics, name=f"{self._stage.name}-batches")(self._read)
        app.on_rebalance_complete.connect(self._recover)  # type: ignore[arg-type]
        app.on_partitions_revoked.connect(self._revoked)  # type: ignore[arg-type]
        return app

    async def _read(self, stream: Any) -> None:
        async for event in stream.events():
            if self._ended.is_set():
                return
            await self._waiting.put(event.message.generation_id, event.value)

    async def _handle_waiting(self) -> None:
        while not self._ended.is_set():
            if self._waiting.is_empty:
                self._rested_at = time.monotonic()
            generation, batches = await self._waiting.take()
            await self._guarded(partial(self._stage.handle, batches), generation, len(batches))

    async def _idle(self) -> None:
        while not self._ended.is_set():
            await asyncio.sleep(0 if self._has_more else IDLE_SECONDS)
            self._has_more = False
            app = self._app
            assert app is not None
            if app.crashed or app.should_stop:
                self._fail(app.crash_reason or RuntimeError("the connection to Kafka was given up"))
            elif (generation := self._tenure.generation) is not None:
                await self._guarded(partial(self._idle_step, consumer_of(app).ends()), generation)

    def _idle_step(self, ends: Mapping[TP, int], group: bytes) -> None:
        self._has_more = self._stage.idle(group)
        for (topic, partition), offset in self._stage.next_offsets().items():
            end = ends.get(TP(topic, partition), offset)
            metrics.lag_records.labels(self._stage.name, topic, str(partition)).set(max(end - offset, 0))

    async def _guarded(self, action: Callable[[bytes], None], generation: int, batches: int = 0) -> None:
        """Run in the stage's thread unless the partitions were dealt out anew; end the process on any error."""
        self._in_work += 1
        try:
            async with self._lock:
                if self._ended.is_set():
                    return
                assert self._app is not None
                if not self._tenure.takes(generation, self._app.consumer_generation_id):
                    metrics.stale_batches.labels(self._stage.name).inc(batches)
                    return
                await self._in_thread(self._take_in_hand, action, self._group_metadata(generation))
                self._positions = dict(self._stage.next_offsets())
                self._progress = self._stage.progress()
                consumer_of(self._app).held = {TP(*each) for each in self._stage.held()}
        except PartitionsLostError as lost:
            logger.warning("%s: partitions went to another worker, nothing was written (%s)", self._stage.name, lost)
            self._tenure.end()
        except BaseException as error:  # noqa: BLE001 - an agent that dies quietly would lose its batch
            self._fail(error)
            if not isinstance(error, asyncio.CancelledError):
                self._failure = self._failure or error  # also when told to end meanwhile: this isn't committed
        finally:
            self._in_work -= 1

    def _take_in_hand(self, action: Callable[[bytes], None], group: bytes) -> None:
        self._in_hand = True
        try:
            action(group)
        finally:
            self._in_hand = False

    async def _in_thread(self, action: Callable[..., T], *arguments: Any) -> T:
        # shielded: an agent that Faust cancels must not give the lock away under a running commit
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, action, *arguments))

    def _group_metadata(self, generation: int) -> bytes:
        assert self._app is not None
        coordinator = consumer_of(self._app).coordinator
        return encode_group_metadata(self._group, generation, coordinator.member_id, self._settings.instance)

    async def _revoked(self, _app: Any, *_arguments: Any, **_options: Any) -> None:
        self._tenure.end()
        async with self._lock:
            for gauge in _OF_PARTITIONS:  # what is said of a partition is its next owner's to say
                gauge.clear()

    async def _recover(self, app: Any, *_arguments: Any, **_options: Any) -> None:
        self._tenure.end()
        generation = app.consumer_generation_id
        self._dealt = partitions = sorted({tp.partition for tp in app.consumer.assignment()})

        def abandoned() -> bool:
            return self._ended.is_set() or app.consumer_generation_id != generation

        try:
            async with self._lock:
                await self._in_thread(self._tenure.recover, generation, partitions, abandoned)
        except BaseException as error:
            self._fail(error)
            raise
        if partitions and self._tenure.recovered == generation:  # else the state isn't there
            self._local.remember(partitions)
        logger.info("%s has partitions %s", self._stage.name, ", ".join(map(str, partitions)) or "none yet")

    async def _seek_positions(self, assigned: set[TP]) -> Mapping[TP, int]:
        assert self._app is not None
        generation = self._app.consumer_generation_id
        if generation != self._tenure.recovered:
            return {}  # Faust's fetcher asks, too, when the flow stops under it; recovery asks again
        try:
            async with self._lock:
                positions = await self._in_thread(self._tenure.find_positions, generation, set(assigned))
        except asyncio.CancelledError:  # the next deal stops Faust's fetcher: it asks again after that
            raise
        except BaseException as error:
            self._fail(error)
            raise
        self._positions, self._progress = positions, self._stage.progress()
        return {TP(*each): position for each, position in positions.items()}

    def _is_done(self, task: asyncio.Future[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._ended.is_set():
            return
        if not isinstance(error, RekindleError):
            logger.debug("failure", exc_info=error)
        self._failure = error
        self._begin_to_end()

    def _begin_to_end(self) -> None:
        """Have `run` end, and the process at worst: the time begins here, whatever `run` is in the midst of."""
        if not self._ended.is_set():
            self._ended.set()
            self._last.start()

    def _end_at_once(self) -> None:
        if self._failure is not None:
            why = _one_line(self._failure)
        elif self._in_hand:
            why = "what it had in hand isn't committed; the next start does it again"
        else:
            why = "everything that was begun is committed"
        logger.error("%s ends at once, not done after %.0f s: %s", self._stage.name, STOP_SECONDS_MAX, why)
        os._exit(1 if self._failure is not None or self._in_hand else 0)

    async def _stop(self, start: asyncio.Future[None]) -> None:
        """Let the batch in hand finish, leave the group, close the state."""
        self._watchdog.close()
        async with self._lock:
            self._tenure.end()
        assert self._app is not None
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await self._app.stop()
        start.cancel()
        await self._close()

    async def _close(self) -> None:
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._stage.close)
        except Exception as error:  # noqa: BLE001 - a full disk: what came first says more, and nothing is lost
            self._failure = self._failure or error
        self._thread.shutdown()
        self._offsets.close()
        self._last.cancel()


def _one_line(error: BaseException) -> str:
    if isinstance(error, KafkaException):
        if error.args[0].code() in {KafkaError._FENCED, KafkaError.FENCED_INSTANCE_ID}:  # noqa: SLF001 - its public name
            return "another process has taken its place, under the same name or because this one was away for too long"
        return f"Kafka: {error.args[0].str()}"
    text = " ".join(str(error).split())
    return text if isinstance(error, RekindleError) else f"{type(error).__name__}: {text}"
