"""Read the pipeline's output and keep ClickHouse up to date with it, every record exactly once.

Kafka deals out the partitions (start more sinks to scale), ClickHouse knows how far each is
(`sinks.clickhouse.batches`): on assignment a partition is read from the beginning of its last decided batch, which is
written again under its token, and then on behind it. The offsets that are committed to Kafka serve `rekindle status`
and other onlookers only.

What waits is bounded: per partition by `Limits`, in all by `BUFFER_BYTES_MAX`; beyond that reading pauses.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from sinks.clickhouse.batch import Backlog, Limits, Stored
from sinks.clickhouse.batches import Range, last_batches
from sinks.clickhouse.connect import ClickHouseError, Client, connect, is_lasting
from sinks.clickhouse.write import Decode
from sinks.clickhouse.writers import WAIT_MAX_S, Writers, Written, as_message
from streams import metrics
from streams.clock import wall_clock
from streams.errors import RekindleError
from streams.kafka import consumer_config
from streams.runtime.group_offsets import Note
from streams.settings import Settings
from streams.topics import SENT_ON

BUFFER_BYTES_MAX = 256 << 20
CONSUME_RECORDS_MAX = 2_000
CONSUME_TIMEOUT_S = 0.1
DRAIN_S = 10.0
REACH_S = 10.0
LAG_EVERY_S = 2.0
WRITERS = 2

Place = tuple[str, int]

log = logging.getLogger(__name__)


def _consumer(config: dict[str, Any]) -> Consumer:
    return Consumer(config, logger=logging.getLogger("kafka"))


def group_of(settings: Settings) -> str:
    """Name the consumer group of the sinks."""
    return f"{settings.group_prefix}-sink"


class ClickHouseSink:
    """One sink process. `run` returns when `stop` is set.

    What it reaches Kafka and ClickHouse by, and the clock, are the simulation's in tests.
    """

    def __init__(
        self,
        settings: Settings,
        topics: list[str],
        decode: Decode,
        stop: threading.Event,
        *,
        limits: Limits | None = None,
        writers: Writers | None = None,
        open_consumer: Callable[[dict[str, Any]], Consumer] = _consumer,
        open_client: Callable[[str], Client] = connect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._stop = stop
        self._limits = limits or Limits()
        self._backlogs: dict[Place, Backlog] = {}
        self._paused: set[Place] = set()
        self._writers = writers or Writers(settings.clickhouse_dsn, decode, count=WRITERS, stop=stop)
        self._open_client = open_client
        self._monotonic = monotonic
        self._assigned_once = False
        self._failure: Exception | None = None
        self._lag_at = 0.0
        config = consumer_config(settings, group_of(settings))
        config |= {
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "max.poll.interval.ms": 600_000,
            "queued.max.messages.kbytes": 32 << 10,
            "enable.auto.offset.store": False,
        }
        if settings.instance:
            config["group.instance.id"] = f"{group_of(settings)}-{settings.instance}"
        self._consumer = open_consumer(config)

    def why_not_ready(self) -> str | None:
        """One sentence why it is not ready to work, or None."""
        return None if self._assigned_once else "no partitions assigned yet"

    def reads(self, topic: str, partition: int) -> bool:
        """Tell whether a partition is this sink's now."""
        return (topic, partition) in self._backlogs

    def run(self) -> None:
        """Read and write until `stop` is set. Raises `RekindleError` for what repetition cannot heal."""
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )
        try:
            while not self._stop.is_set():
                self._take_up(self._consumer.consume(CONSUME_RECORDS_MAX, CONSUME_TIMEOUT_S))
                self._settle(self._writers.results())
                self._write_what_is_due()
                self._pause_and_resume()
                self._measure_lag()
                if self._failure is not None:
                    raise as_message(self._failure)
            self._drain()
        finally:
            self._stop.set()
            self._consumer.close()

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        found = self._last_batches()
        if found is None:
            return
        try:
            starts = [self._start(consumer, each, found) for each in partitions]
        except RekindleError as error:
            self._failure = error
            return
        except KafkaException as error:
            self._failure = RekindleError(f"Kafka: {error.args[0].str()}")
            return
        consumer.incremental_assign(starts)
        consumer.resume(starts)  # one that was paused when it went away comes back paused
        self._assigned_once = True
        log.info("assigned %s", ", ".join(f"{each.topic}/{each.partition}@{max(each.offset, 0)}" for each in starts))

    def _start(self, consumer: Consumer, each: TopicPartition, found: Mapping[Place, Range]) -> TopicPartition:
        place = (each.topic, each.partition)
        batch = found.get(place)
        if batch is None:
            self._backlogs[place] = Backlog(each.topic, each.partition, first=0)
            return TopicPartition(each.topic, each.partition, OFFSET_BEGINNING)
        low, high = consumer.get_watermark_offsets(each, timeout=REACH_S)
        if batch.last >= high:
            raise RekindleError(
                f"ClickHouse has {each.topic}/{each.partition} up to offset {batch.last}, Kafka to {high - 1}: "
                "it was made anew; give the sink an empty database (REKINDLE_CLICKHOUSE_DSN)"
            )
        if low > batch.last:
            if low > batch.last + 1:
                log.error("%s/%d: offsets %d to %d are gone from Kafka", *place, batch.last + 1, low - 1)
            self._backlogs[place] = Backlog(each.topic, each.partition, first=batch.last + 1)
            return TopicPartition(each.topic, each.partition, low)
        self._backlogs[place] = Backlog(
            each.topic, each.partition, first=batch.first, decided_last=batch.last, suspect=True
        )
        return TopicPartition(each.topic, each.partition, max(low, batch.first))

    def _last_batches(self) -> Mapping[Place, Range] | None:
        """Ask ClickHouse until it answers, or until the sink is to stop."""
        while not self._stop.is_set():
            try:
                with self._open_client(self._settings.clickhouse_dsn) as client:
                    return last_batches(client)
            except (ClickHouseError, OSError) as error:
                if is_lasting(error):
                    self._failure = error
                    return None
                metrics.sink_retries.inc()
                log.warning("trying again soon: %s", str(error).splitlines()[0])
                self._stop.wait(WAIT_MAX_S / 5)
        return None

    def _on_revoke(self, _consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._backlogs.pop((each.topic, each.partition), None)
            self._paused.discard((each.topic, each.partition))
        log.info("revoked %s", ", ".join(f"{each.topic}/{each.partition}" for each in partitions))

    def _take_up(self, messages: list[Message]) -> None:
        read: dict[Place, list[Stored]] = defaultdict(list)
        for message in messages:
            error = message.error()
            if error is not None:
                self._report(error)
                continue
            topic, partition, offset = message.topic(), message.partition(), message.offset()
            assert topic is not None
            assert partition is not None
            assert offset is not None
            sent_on = SENT_ON in dict(message.headers() or ())
            stored = Stored(offset, message.timestamp()[1], message.key(), message.value(), sent_on)
            read[topic, partition].append(stored)
        now = self._monotonic()
        for place, records in read.items():
            backlog = self._backlogs.get(place)
            if backlog is not None:
                backlog.add(records, now)
                metrics.records_in.labels("sink", place[0]).inc(len(records))

    @staticmethod
    def _report(error: KafkaError) -> None:
        if error.fatal() or error.code() in {
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
            KafkaError.UNKNOWN_TOPIC_OR_PART,
        }:
            raise RekindleError(f"Kafka: {error.str()}")
        log.warning("Kafka: %s", error.str())

    def _write_what_is_due(self, *, draining: bool = False) -> None:
        now = self._monotonic()
        for backlog in self._backlogs.values():
            if backlog.due(now, self._limits, draining=draining):
                batch = backlog.take(self._limits)
                metrics.batch_records.labels("sink").observe(len(batch.records))
                self._writers.submit(backlog, batch)

    def _settle(self, results: list[Written]) -> None:
        done = []
        for result in results:
            if result.error is not None:
                if self._stop.is_set():
                    continue
                raise as_message(result.error) from result.error
            place = (result.batch.topic, result.batch.partition)
            if self._backlogs.get(place) is not result.backlog:
                continue  # dealt out anew meanwhile: whoever has it now comes to the same batch
            if result.last > result.batch.last:
                result.backlog.postponed(result.last)
                continue
            result.backlog.written(result.last, self._monotonic())
            metrics.records_out.labels("sink", place[0]).inc(len(result.batch.records))
            done.append(TopicPartition(*place, result.last + 1))
        if done:
            metrics.last_commit_timestamp_seconds.labels("sink").set_to_current_time()
            self._commit(done, asynchronous=True)

    def _commit(self, offsets: list[TopicPartition], *, asynchronous: bool) -> None:
        note = Note(at=wall_clock()).encode()
        noted = [TopicPartition(each.topic, each.partition, each.offset, note) for each in offsets]
        try:
            if asynchronous:
                self._consumer.commit(offsets=noted, asynchronous=True)
            else:
                self._consumer.commit(offsets=noted, asynchronous=False)
        except KafkaException as error:
            log.info("offsets not committed, which does no harm: %s", error.args[0].str())

    def _pause_and_resume(self) -> None:
        overflowing = sum(backlog.bytes for backlog in self._backlogs.values()) > BUFFER_BYTES_MAX
        full = {
            place
            for place, backlog in self._backlogs.items()
            if backlog.full(self._limits) or (overflowing and backlog.decided_last is None and len(backlog))
        }
        if full != self._paused:
            _call(self._consumer.pause, full - self._paused)
            _call(self._consumer.resume, self._paused - full)
            self._paused = full
            metrics.sink_paused_partitions.set(len(full))

    def _measure_lag(self) -> None:
        now = self._monotonic()
        if now - self._lag_at < LAG_EVERY_S:
            return
        self._lag_at = now
        for (topic, partition), backlog in self._backlogs.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            metrics.lag_records.labels("sink", topic, str(partition)).set(max(0, high - backlog.first))

    def _drain(self) -> None:
        deadline = self._monotonic() + DRAIN_S
        while self._writers.pending and self._monotonic() < deadline:
            self._settle(self._writers.results(timeout_s=0.2))
        positions = [
            TopicPartition(*place, backlog.first) for place, backlog in self._backlogs.items() if backlog.first
        ]
        if positions:
            self._commit(positions, asynchronous=False)


def _call(change: object, places: set[Place]) -> None:
    if places:
        change([TopicPartition(topic, partition) for topic, partition in places])  # type: ignore[operator]
