"""The ingest stage: the task of partition p is the only writer of `member.events` partition p.

Batches of the source topics and `control` are sifted and put into the merge of their partition number. What the merge
gives is appended, original bytes and all, in one transaction with the input offsets; a tick may end it. The last tick
is kept as a note beside the committed offset of `control`, so that it is exactly as durable as the log itself, and the
stage needs no state of its own.

An event whose key belongs to another partition (its producer had none, or another partitioner) goes back into its
source topic at the right one: a member has one partition, whoever published.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from schemas.codec import Codec
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.dead_letters import DeadLetters
from streams.engine.events import ProgrammeApplied, Tick
from streams.ingest.merge import Entry, PartitionMerge
from streams.ingest.partitions import partition_of
from streams.ingest.sealing import seal_event
from streams.ingest.sift import Sift
from streams.kafka import Kafka
from streams.runtime.batch import Batch
from streams.runtime.fault_points import pass_point
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.stage import Input
from streams.runtime.transactions import Transaction, TransactionalProducer, kafka_time
from streams.sealing.sealer import Sealer
from streams.settings import Settings
from streams.ticks import PartitionTicks
from streams.topics import CONTROL, INGEST_INPUTS, MEMBER_EVENTS, STATUSES, check_partitions

PATIENCE_SECONDS = 1.0  # by the wall clock, how long an input that has more to come holds the others back
WAITING_FACTOR = 2  # an input with so many times a transaction's records waiting is not fetched


class IngestStage:
    """Implements `streams.runtime.stage.Stage`."""

    name = "ingest"
    topics = INGEST_INPUTS

    def __init__(
        self,
        settings: Settings,
        kafka: Kafka,
        codec: Codec,
        producer: TransactionalProducer,
        *,
        sealer: Sealer | None = None,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._monotonic = monotonic
        self._wall = settings.clock == "wall"
        self._codec = codec
        self._sealer = sealer
        self._clock = clock
        self._producer = producer
        self._sift = Sift(codec, clock if self._wall else None)
        self._dead_letters = DeadLetters(codec, self.name, clock)
        self._partitions = 0
        self._merges: dict[int, PartitionMerge] = {}
        self._ticks: dict[int, PartitionTicks] = {}
        self._blocked_since: dict[int, float] = {}

    def start(self) -> None:
        """Check the topics and end what a predecessor left open."""
        self._partitions = check_partitions(self._kafka)
        if self._sealer is not None:
            self._sealer.start()
        self._producer.start()

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Read the keys of these partitions; whatever else ingest must remember is committed with its offsets."""
        if self._sealer is not None:
            self._sealer.recover(partitions, abandoned)

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        """Start where the last commit stands, and take the last tick from its note."""
        self._ticks = {}
        for (topic, partition), found in committed.items():
            if topic == CONTROL:
                tick = None if found is None else found.note.tick
                self._ticks[partition] = PartitionTicks(self._wall, tick, tick)
        return {each: None if found is None else found.offset for each, found in committed.items()}

    def read_from(self, positions: Mapping[Input, int]) -> None:
        """Begin with empty merges."""
        by_partition: dict[int, dict[str, int]] = {}
        for (topic, partition), position in positions.items():
            by_partition.setdefault(partition, {})[topic] = position
        self._merges = {partition: PartitionMerge(inputs) for partition, inputs in by_partition.items()}
        self._blocked_since = {}

    def handle(self, batches: Sequence[Batch], group: bytes) -> None:
        """Sift batches, merge them, and append what is next in line in their partitions."""
        for batch in batches:
            metrics.records_in.labels(self.name, batch.topic).inc(len(batch.records))
            started = time.perf_counter()
            entries = self._sift.entries(batch.topic, batch.records)
            metrics.step_seconds.labels(self.name, "sift").observe(time.perf_counter() - started)
            self._merges[batch.partition].add(batch.topic, batch.start, batch.end, entries, at_end=batch.at_end)
        self._append_ready(dict.fromkeys(batch.partition for batch in batches), group)

    def idle(self, group: bytes) -> bool:
        """Append a tick where it is time, and what has waited for too long."""
        self._append_ready([partition for partition, merge in self._merges.items() if merge.waiting], group)
        now = self._clock()
        due = {
            partition: tick
            for partition, merge in self._merges.items()
            if merge.caught_up and (tick := self._ticks[partition].due(now, caught_up=True)) is not None
        }
        if due:
            self._commit({partition: [] for partition in due}, due, group)
        return False

    def held(self) -> Collection[Input]:
        """Hold back inputs of which enough waits to be merged."""
        enough = WAITING_FACTOR * self._settings.batch_records_max
        return [(topic, partition) for partition, merge in self._merges.items() for topic in merge.full(enough)]

    def next_offsets(self) -> Mapping[Input, int]:
        """Tell how far each input is in the log."""
        return {
            (topic, partition): offset
            for partition, merge in self._merges.items()
            for topic, offset in merge.next_offsets().items()
        }

    def close(self) -> None:
        """Close the stores of keys."""
        if self._sealer is not None:
            self._sealer.close()

    def _append_ready(self, partitions: Collection[int], group: bytes) -> None:
        """Append what is known to come next, of all these partitions in one transaction, or in as many as it takes."""
        while True:
            taken: dict[int, Sequence[Entry]] = {}
            room = self._settings.batch_records_max
            for partition in partitions:
                entries = self._merges[partition].take(room, impatient=self._is_impatient(partition))
                if entries:
                    self._blocked_since.pop(partition, None)
                    taken[partition] = entries
                    room -= len(entries)
                if room == 0:
                    break
            if not taken:
                return
            self._commit(taken, {}, group)

    def _is_impatient(self, partition: int) -> bool:
        """Tell whether, by the wall clock, an input has held the others back for long enough."""
        if not self._wall or not self._merges[partition].waiting:
            self._blocked_since.pop(partition, None)
            return False
        since = self._blocked_since.setdefault(partition, self._monotonic())
        return self._monotonic() - since >= PATIENCE_SECONDS

    def _commit(self, taken: Mapping[int, Sequence[Entry]], ticks: Mapping[int, Tick], group: bytes) -> None:
        """Append entries and ticks of some partitions in one transaction."""
        pass_point(self.name, "handled")
        started = time.perf_counter()
        self._prepare(taken)
        with self._producer.begin() as transaction:
            for partition, entries in taken.items():
                for entry in entries:
                    self._append(transaction, partition, entry)
                tick = ticks.get(partition) or self._tick_after(partition, entries)
                if tick is not None:
                    self._append_tick(transaction, partition, tick)
            transaction.commit(list(self._offsets(taken)), group)
        if self._sealer is not None:
            self._sealer.committed()
        metrics.step_seconds.labels(self.name, "append").observe(time.perf_counter() - started)
        metrics.batch_records.labels(self.name).observe(sum(map(len, taken.values())))

    def _prepare(self, taken: Mapping[int, Sequence[Entry]]) -> None:
        """Look up the keys of those whose events will be sealed, before a transaction waits for it."""
        if self._sealer is None:
            return
        self._sealer.begin()
        for partition, entries in taken.items():
            self._sealer.prepare(partition, [each.key for each in entries if each.sealing and each.key is not None])

    def _append(self, transaction: Transaction, partition: int, entry: Entry) -> None:
        record = entry.record
        ticks = self._ticks[partition]
        at = kafka_time(entry.occurred_at)
        if entry.reason is not None:
            self._dead_letters.produce(transaction, record, entry.reason)
        elif entry.control is not None:
            if isinstance(entry.control, ProgrammeApplied) or ticks.forwards(entry.control):
                transaction.produce(MEMBER_EVENTS, record.value, None, partition=partition, timestamp=at)
        elif entry.key is not None and (home := partition_of(entry.key, self._partitions)) != partition:
            transaction.produce(record.topic, record.value, entry.key, partition=home, timestamp=at)
        else:
            value = record.value
            if entry.key is not None:
                value = seal_event(self._sealer, self._codec, transaction, partition, entry.key, value, entry.sealing)
            transaction.produce(MEMBER_EVENTS, value, entry.key, partition=partition, timestamp=at)
            if self._wall or record.topic != STATUSES:
                ticks.saw_event(entry.occurred_at)

    def _tick_after(self, partition: int, entries: Sequence[Entry]) -> Tick | None:
        if not entries:
            return None
        return self._ticks[partition].due(self._clock(), caught_up=self._merges[partition].caught_up)

    def _append_tick(self, transaction: Transaction, partition: int, tick: Tick) -> None:
        value = self._codec.encode(tick)
        transaction.produce(MEMBER_EVENTS, value, None, partition=partition, timestamp=kafka_time(tick.occurred_at))
        self._ticks[partition].last = tick.occurred_at
        metrics.tick_timestamp_seconds.labels(str(partition)).set(tick.occurred_at / 1000)

    def _offsets(self, partitions: Iterable[int]) -> Iterable[TopicPartition]:
        for partition in partitions:
            note = Note(at=self._clock(), tick=self._ticks[partition].last).encode()
            for topic, offset in self._merges[partition].next_offsets().items():
                yield TopicPartition(topic, partition, offset, note)
