"""The members stage: `member.events` in, commands out, every member's state kept.

What is in hand, of however many partitions, is one commit. In order: commands and dead letters → changelog (to the
partition of the same number) → input offsets → the transaction → the local stores, one by one. A store lags behind the
changelog after a crash between the last two; recovery closes the gap.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from schemas.codec import Codec
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.dead_letters import DeadLetters
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.changelog import check_partitions_kept, ensure_changelog
from streams.members.engine import Engine
from streams.members.erase import write_erasures
from streams.members.overlay import RECENT_BYTES_MAX
from streams.members.programmes import Programmes
from streams.members.record import PARTITIONS, PROGRESS, TICK
from streams.members.recover import recover_store, write_fences
from streams.members.step import DUE_MAX, MEMBERS_MAX, MemberStep, Part
from streams.members.store import PartitionStore
from streams.runtime.batch import Batch
from streams.runtime.fault_points import pass_point
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.stage import FETCH_PAUSE_SECONDS, Input, never
from streams.runtime.transactions import TransactionalProducer
from streams.sealing.key_ring import KeyRing
from streams.sealing.log_reader import LogReader
from streams.settings import Settings
from streams.topics import MEMBER_EVENTS, check_partitions, members_changelog

GAUGES_EVERY_SECONDS = 5.0
ERASED_FLUSH_SECONDS = 3600.0
"""After an erasure the store's memory and its log hold the earlier state no longer than this."""
RECENT_MEMBERS_MAX = 50_000  # of all partitions; their records are kept in memory, each with some 250 bytes around it

logger = logging.getLogger(__name__)


class MembersStage:
    """Implements `streams.runtime.stage.Stage`."""

    name = "members"
    topics = (MEMBER_EVENTS,)
    is_undivided = False
    fetch_pause_seconds = FETCH_PAUSE_SECONDS
    gives_way: Callable[[], bool] = staticmethod(never)

    def __init__(
        self,
        settings: Settings,
        kafka: Kafka,
        codec: Codec,
        producer: TransactionalProducer,
        *,
        engine: Engine,
        directory: Path,
        clock: Clock = wall_clock,
        open_store: Callable[[Path], PartitionStore] = PartitionStore,
        ring: KeyRing | None = None,
        due_max: int = DUE_MAX,
    ) -> None:
        self._settings = settings
        self._due_max = due_max
        self._kafka = kafka
        self._open_store = open_store
        self._codec = codec
        self._ring = ring
        self._reader = LogReader(codec, ring)
        self._producer = producer
        self._engine = engine
        self._directory = directory
        self._changelog = members_changelog(settings)
        self._programmes = Programmes(kafka, settings.group_prefix, engine)
        self._clock = clock
        self._dead_letters = DeadLetters(codec, self.name, clock)
        self._partitions = 0
        self._stores: dict[int, PartitionStore] = {}
        self._steps: dict[int, MemberStep] = {}
        self._read_to: dict[int, int] = {}
        self._group = b""
        self._gauges_at = 0.0
        self._erased_in: set[int] = set()  # partitions whose files hold what was erased
        self._flushed_at = time.monotonic()
        self._worked_off = -1  # the partition that had its turn last to work off what is open

    def start(self) -> None:
        """Check the topics, make the changelog if it isn't there, end what a predecessor left open."""
        self._partitions = check_partitions(self._kafka)
        ensure_changelog(self._kafka, self._changelog, self._partitions, self._settings.replication_factor)
        self._producer.start()

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Close the stores of partitions that went away and bring the others up to their changelog."""
        self._steps.clear()
        for partition in set(self._stores) - set(partitions):
            self._stores.pop(partition).close()
        if not partitions:
            return
        started = time.monotonic()
        if self._ring is not None:
            self._ring.follow(partitions, abandoned)
        fences = write_fences(self._kafka, self._changelog, list(partitions))
        read = 0
        for partition in partitions:
            if abandoned():
                return
            read += self._recover_partition(partition, fences[partition], abandoned)
        seconds = time.monotonic() - started
        logger.info("%d partitions recovered, %d changelog records read in %.1f s", len(partitions), read, seconds)

    def _recover_partition(self, partition: int, fence: int, abandoned: Callable[[], bool]) -> int:
        store = self._stores.get(partition)
        if store is None:
            store = self._stores[partition] = self._open_store(self._directory / "state" / str(partition))
        read = recover_store(
            self._kafka, self._changelog, partition, store, stage=self.name, fence=fence, abandoned=abandoned
        )
        check_partitions_kept(self._changelog, store.meta(PARTITIONS), self._partitions)
        return read

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        """Start where the last commit stands; if the group's offsets have expired, where the state says."""
        starts: dict[Input, int | None] = {}
        for (topic, partition), found in committed.items():
            known = self._known(topic, partition, None if found is None else found.offset)
            starts[topic, partition] = known if found is None else found.offset
            step = self._steps[partition] = MemberStep(
                partition,
                self._stores[partition],
                codec=self._codec,
                engine=self._engine,
                programmes=self._programmes,
                reader=self._reader,
                flush=self._flush,
                recent_max=RECENT_MEMBERS_MAX // len(committed),
                recent_bytes_max=RECENT_BYTES_MAX // len(committed),
                due_max=self._due_max,
                gives_way=self.gives_way,
            )
            if self._stores[partition].meta(PARTITIONS) is None:
                step.part().effects.meta[PARTITIONS] = b"%d" % self._partitions
        return starts

    def _known(self, topic: str, partition: int, committed: int | None) -> int | None:
        """Return where the state of a partition is, None for a state of before this was written in it.

        State and offset are of one transaction: raises `RekindleError` where they disagree, for then records of the
        changelog are missing, and members would be without what they had.
        """
        store = self._stores[partition]
        progress = store.meta(PROGRESS)
        known = None if progress is None else int(progress)
        is_blank = known is None and store.meta(TICK) is None and next(iter(store.members(b"")), None) is None
        if committed and (is_blank or (known is not None and known != committed)):
            raise RekindleError(
                f"{topic}/{partition} is handled up to {committed}, its state only up to {known or 0}: records of its "
                f"changelog {self._changelog} are missing; should this come again, see docs/operations.md"
            )
        return known

    def read_from(self, positions: Mapping[Input, int]) -> None:
        """Learn where each partition is read from."""
        self._read_to = {partition: position for (_, partition), position in positions.items()}

    def handle(self, batches: Sequence[Batch], group: bytes) -> None:
        """Step through batches, also of several partitions, and commit them together."""
        self._group = group
        touched: dict[int, MemberStep] = {}
        for batch in batches:
            records = self._following(batch)
            if records:
                metrics.records_in.labels(self.name, batch.topic).inc(len(records))
                metrics.batch_records.labels(self.name).observe(len(records))
                step = touched[batch.partition] = self._steps[batch.partition]
                reached = self._read_to[batch.partition] = step.decide(records, batch.end)
                if reached < batch.end:
                    break  # it gives way: the rest comes again, to whoever has the partitions then
                if sum(each.members_in_memory for each in touched.values()) > 2 * MEMBERS_MAX:
                    self._commit(touched)  # a tick alone may be thousands of members, in every partition
                    touched.clear()
        if touched:
            self._commit(touched)

    def _commit(self, touched: Mapping[int, MemberStep]) -> None:
        self._flush([step.part() for step in touched.values()])
        for step in touched.values():
            step.committed()

    def _following(self, batch: Batch) -> Sequence[Any]:
        """Return the records that are next in line; prove that none before them is missing."""
        expected = self._read_to[batch.partition]
        if batch.start > expected:
            missing = f"records {expected} to {batch.start - 1} of {batch.topic}/{batch.partition}"
            raise RekindleError(f"{missing} were never delivered")
        self._read_to[batch.partition] = max(batch.end, expected)
        if batch.start == expected:
            return batch.records
        return [record for record in batch.records if record.offset >= expected]

    def _flush(self, parts: Sequence[Part]) -> None:
        pass_point(self.name, "handled")
        started = time.perf_counter()
        changes = {part.partition: _changes(part) for part in parts}
        positions = [self._position(part) for part in parts]  # reads the stores, which no transaction should wait for
        with self._producer.begin() as transaction:
            for part in parts:
                transaction.produce_all(part.effects.records)
                for record, reason, member in part.effects.dead:
                    self._dead_letters.produce(transaction, record, reason, key=member)
                write_erasures(transaction, self._codec, part)
                records = [(key, value) for key, value, _ in changes[part.partition]]
                transaction.produce_changelog(self._changelog, records, partition=part.partition)
            changelog_offsets = transaction.commit(positions, self._group)
        committed = time.perf_counter()
        for partition, changed in changes.items():
            self._stores[partition].write(changed, changelog_offsets[partition])
            pass_point(self.name, "stored")
        self._erased_in |= {part.partition for part in parts if part.effects.erased}
        metrics.step_seconds.labels(self.name, "commit").observe(committed - started)
        metrics.step_seconds.labels(self.name, "store").observe(time.perf_counter() - committed)

    def _position(self, part: Part) -> TopicPartition:
        is_behind = self._steps[part.partition].is_behind
        note = Note(at=self._clock(), due=part.overlay.earliest_due(), open_ticks=is_behind)
        return TopicPartition(MEMBER_EVENTS, part.partition, part.next_offset, note.encode())

    def idle(self, group: bytes) -> bool:
        """Bring the gauges up to date now and then; work off a portion of what is open, if anything is."""
        if time.monotonic() - self._gauges_at >= GAUGES_EVERY_SECONDS:
            self._gauges_at = time.monotonic()
            self._show_gauges()
        if self._ring is not None:
            self._ring.drain()
        self._flush_erased()
        behind = [partition for partition, step in self._steps.items() if step.is_behind]
        if not behind:
            return False
        self._group = group
        self._worked_off = min(behind, key=lambda partition: (partition <= self._worked_off, partition))
        self._steps[self._worked_off].work_off(self._read_to[self._worked_off])
        return any(step.is_behind for step in self._steps.values())

    def _flush_erased(self) -> None:
        if self._erased_in and time.monotonic() - self._flushed_at >= ERASED_FLUSH_SECONDS:
            for partition in self._erased_in & self._stores.keys():
                self._stores[partition].flush()
            self._erased_in.clear()
            self._flushed_at = time.monotonic()

    def _show_gauges(self) -> None:
        for partition, store in self._stores.items():
            metrics.state_bytes.labels(str(partition)).set(store.size_bytes())
            due = store.earliest_due()
            metrics.oldest_due_timestamp_seconds.labels(str(partition)).set(0 if due is None else due / 1000)

    def held(self) -> Collection[Input]:
        """Hold nothing back: the queue before this stage is short."""
        return ()

    def next_offsets(self) -> Mapping[Input, int]:
        """Tell how far each partition is handled."""
        return {(MEMBER_EVENTS, partition): offset for partition, offset in self._read_to.items()}

    def progress(self) -> Mapping[Input, int]:
        """Tell the same: each partition gets on by itself."""
        return self.next_offsets()

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        if self._ring is not None:
            self._ring.close()


def _changes(part: Part) -> list[tuple[bytes, bytes | None, int | None]]:
    """List what the changelog and the store get: at least how far the partition has come."""
    meta = {**part.effects.meta, PROGRESS: b"%d" % part.next_offset}
    return [*part.overlay.changes(), *((key, value, None) for key, value in meta.items())]
