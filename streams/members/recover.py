"""Brings the local state of a partition up to its changelog.

1. A fence record is written to the changelog partition. It lies behind everything that earlier owners wrote, and a
   `read_committed` reader reaches it only after every transaction before it is decided: read up to the fence, the
   state is complete, and a predecessor that was thought dead can add nothing more (its offsets are refused).
2. Records from behind the store's own position up to the fence are applied in batches, each in one WriteBatch together
   with the position: killed in between, recovery goes on where it was.

A new store is rebuilt without its index of due times, which is made at the end; its position is written less often.

A store whose position the changelog no longer reaches (it was wiped or truncated) is rebuilt from the beginning.
"""

import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streams import metrics
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.record import FENCE
from streams.runtime.bounded_waits import waits
from streams.runtime.fault_points import pass_point

BATCH_RECORDS = 20_000
CONSUME_SECONDS = 0.05  # a batch that isn't full waits so long for more
STALL_SECONDS_MAX = 120.0
ANSWER_SECONDS_MAX = 30.0
PROGRESS_LOG_SECONDS = 5.0
FETCH_BYTES = 4 * 2**20
"""Of a partition at a time: with librdkafka's default of one megabyte the reader waited most of the time."""
DURABLE_RECORDS = 2_000_000
"""So many records of a rebuilding at most are read again after a crash."""

logger = logging.getLogger(__name__)


class Recoverable(Protocol):
    """A store that a changelog brings up to date: of members, or of their keys."""

    @property
    def changelog_offset(self) -> int | None:
        """The last changelog record that the store contains."""

    @property
    def is_outdated(self) -> bool:
        """Whether it may have missed tombstones."""

    @property
    def is_rebuilding(self) -> bool:
        """Whether it is put together from nothing."""

    def empty(self) -> None:
        """Forget everything."""

    def begin_rebuild(self) -> None:
        """Begin, or go on."""

    def rebuild(self, changes: Mapping[bytes, bytes | None], changelog_offset: int | None) -> None:
        """Take changes."""

    def end_rebuild(self, changelog_offset: int) -> None:
        """Come to the end."""

    def apply_changelog(self, changes: Mapping[bytes, bytes | None], changelog_offset: int) -> None:
        """Bring the store up to an offset."""


class StaleStoreError(Exception):
    """The changelog doesn't hold what the store would need to go on; it must be rebuilt."""


def write_fences(kafka: Kafka, topic: str, partitions: list[int]) -> Mapping[int, int]:
    """Write a fence to each changelog partition and return its offset. Raises `RekindleError`."""
    offsets: dict[int, int] = {}
    failures: list[str] = []

    def delivered(error: KafkaError | None, message: object) -> None:
        if error is not None:
            failures.append(error.str())
        else:
            offsets[message.partition()] = message.offset()  # type: ignore[attr-defined]

    # a fence may well stand there twice: without idempotence the producer is ready at once
    producer = kafka.producer({"enable.idempotence": False, "linger.ms": 0})
    for partition in partitions:
        producer.produce(topic, b"", FENCE, partition=partition, on_delivery=delivered)
    with waits.at_most(ANSWER_SECONDS_MAX):
        producer.flush(ANSWER_SECONDS_MAX)
    if failures or len(offsets) < len(partitions):
        raise RekindleError(f"{topic} cannot be written: {'; '.join(failures) or 'no answer from the broker'}")
    return offsets


def recover_store(
    kafka: Kafka,
    topic: str,
    partition: int,
    store: Recoverable,
    *,
    stage: str,
    fence: int,
    abandoned: Callable[[], bool],
) -> int:
    """Bring a store up to the fence, anew from the beginning if it must; returns the number of records read.

    `stage` is whose store it is: it names the fault point.
    """
    if store.is_outdated:
        logger.warning("local state of %s/%d is too old to be brought up to date: it is rebuilt", topic, partition)
        store.empty()
    recover = partial(recover_partition, kafka, topic, partition, store, stage=stage, fence=fence, abandoned=abandoned)
    try:
        return recover()
    except StaleStoreError as stale:
        logger.warning("local state of %s/%d is rebuilt: %s", topic, partition, stale)
        store.empty()
        return recover()


def recover_partition(
    kafka: Kafka,
    topic: str,
    partition: int,
    store: Recoverable,
    *,
    stage: str,
    fence: int,
    abandoned: Callable[[], bool],
) -> int:
    """Apply the changelog up to the fence; returns the number of records read.

    Raises `RekindleError` when the changelog stalls, `StaleStoreError` when the store must be rebuilt first.
    """
    config = {"enable.partition.eof": False, "fetch.wait.max.ms": 20, "max.partition.fetch.bytes": FETCH_BYTES}
    consumer = kafka.consumer(f"{topic}-recovery", config)
    try:
        source = TopicPartition(topic, partition)
        return _apply(consumer, source, store, stage=stage, fence=fence, abandoned=abandoned)
    finally:
        consumer.close()


def _apply(
    consumer: Consumer,
    source: TopicPartition,
    store: Recoverable,
    *,
    stage: str,
    fence: int,
    abandoned: Callable[[], bool],
) -> int:
    name = f"{source.topic}/{source.partition}"
    with waits.at_most(ANSWER_SECONDS_MAX):
        low, _ = consumer.get_watermark_offsets(source, timeout=ANSWER_SECONDS_MAX)
    have = store.changelog_offset
    if have is not None and (have >= fence or have + 1 < low):  # the fence is new: who has its number lost what had it
        raise StaleStoreError(f"the store is at {have}, the changelog holds {low} to {fence}")
    consumer.assign([TopicPartition(source.topic, source.partition, low if have is None else have + 1)])
    position = low - 1 if have is None else have
    read = 0
    rebuilds = store.is_rebuilding
    if rebuilds:
        store.begin_rebuild()
    progress = Progress(name, source.partition, time.monotonic(), fence - position)
    last_news = time.monotonic()
    metrics.recovery_steps.inc()
    while position < fence:
        if abandoned():
            return read
        with waits.at_most(last_news + STALL_SECONDS_MAX - time.monotonic()):  # for the fence, at the end
            messages = consumer.consume(BATCH_RECORDS, CONSUME_SECONDS)
        now = time.monotonic()
        if not messages:
            if now - last_news > STALL_SECONDS_MAX:
                raise RekindleError(f"recovery of {name} got nothing for {STALL_SECONDS_MAX:.0f} s")
            continue
        errors = [error for message in messages if (error := message.error()) is not None]
        if errors:
            raise KafkaException(errors[0])
        position = int(messages[-1].offset() or 0)
        changes: dict[Any, bytes | None] = {
            message.key(): message.value() for message in messages
        }  # the last of each key
        changes.pop(FENCE, None)
        if rebuilds:
            durable = read % DURABLE_RECORDS + len(messages) >= DURABLE_RECORDS
            store.rebuild(changes, position if durable else None)
        else:
            store.apply_changelog(changes, position)
        pass_point(stage, "recovering")
        read += len(messages)
        metrics.recovered_records.inc(len(messages))
        metrics.recovery_steps.inc()
        last_news = now
        progress.came(now, read, fence - position)
    if rebuilds:
        store.end_rebuild(position)
    return read


class Progress:
    """Tells every few seconds how a recovery gets on. Time is an argument: seconds, by a clock that never goes back."""

    def __init__(self, name: str, partition: int, now: float, offsets: int) -> None:
        self._name = name
        self._gauge = metrics.recovery_remaining_records.labels(str(partition))
        self._gauge.set(offsets)
        self._started = self._logged = now
        self._offsets = offsets

    def came(self, now: float, records: int, remaining: int) -> None:
        """So many records were read, so many offsets remain (at most as many records)."""
        self._gauge.set(remaining)
        if now - self._logged < PROGRESS_LOG_SECONDS:
            return
        self._logged = now
        seconds = now - self._started
        rate = records / seconds
        left = remaining * seconds / max(self._offsets - remaining, 1)
        logger.info(
            "recovering %s: %d records read, %d/s, at most %d to go, about %d s",
            self._name,
            records,
            rate,
            remaining,
            left,
        )
