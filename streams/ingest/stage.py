"""The ingest stage: source topics in, `member.events` out.

Batches of the source topics and `control` are sifted and put into a merge. What the merge gives is appended, original
bytes and all, under the key of whoever it is of, in one transaction with the input offsets and what changed in the
table of links; a tick may end it. The last tick of a partition and its programme are kept as a note beside the
committed offset of `control`, so that they are exactly as durable as the log itself.

By the wall clock each partition number has a merge of its own, and the tasks share the partitions. By the event clock
one task has all partitions and merges them as a whole: stored history is handled in the exact order of time, links
between partitions included, and the same history gives the same log.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from confluent_kafka import TopicPartition

from schemas.codec import Codec, Header
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.dead_letters import DeadLetters
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.identity.links import root
from streams.ingest.lost_offsets import offsets_gone
from streams.ingest.merge import Entry, Merge
from streams.ingest.owners import Owners
from streams.ingest.partitions import partition_of
from streams.ingest.regions import RegionLoader
from streams.ingest.sealing import seal_event
from streams.ingest.shared_links import SharedLinks
from streams.ingest.sift import Sift
from streams.kafka import Kafka
from streams.members.changelog import ensure_changelog
from streams.members.programmes import Programmes
from streams.members.store import PartitionStore
from streams.runtime.batch import Batch
from streams.runtime.fault_points import pass_point
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.stage import FETCH_PAUSE_SECONDS, Input, never
from streams.runtime.transactions import Transaction, TransactionalProducer, kafka_time
from streams.sealing.sealer import Sealer
from streams.settings import Settings
from streams.ticks import PartitionTicks
from streams.topics import (
    CONTROL,
    INGEST_INPUTS,
    MEMBER_EVENTS,
    SENT_ON,
    STATUSES,
    check_partitions,
    identity_changelog,
    ingest_group,
)

PATIENCE_SECONDS = 1.0  # by the wall clock, how long an input that has more to come holds the others back
WAITING_FACTOR = 2  # an input with so many times a transaction's records waiting is not fetched
WAITING_BYTES_MAX = 16 * 1024 * 1024  # nor one with so much of it
_NOTHING_TO_NOTE = Note()
ALL = -1  # the one merge of all partitions


class IngestStage:
    """Implements `streams.runtime.stage.Stage`."""

    name = "ingest"
    topics = INGEST_INPUTS
    fetch_pause_seconds = FETCH_PAUSE_SECONDS
    gives_way: Callable[[], bool] = staticmethod(never)

    def __init__(
        self,
        settings: Settings,
        kafka: Kafka,
        codec: Codec,
        producer: TransactionalProducer,
        *,
        directory: Path,
        sealer: Sealer | None = None,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
        open_store: Callable[[Path], PartitionStore] = PartitionStore,
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
        self._links_topic = identity_changelog(settings)
        self._links = SharedLinks(kafka, self._links_topic, directory / "links", open_store)
        self._owners = Owners(
            self._links, knows_all=self.is_undivided, secret=b"" if sealer is None else sealer.naming_secret
        )
        self._regions = Programmes(kafka, settings.group_prefix, RegionLoader())
        self._programmes: dict[int, int] = {}
        self._merges: dict[int, Merge] = {}
        self._ticks: dict[int, PartitionTicks] = {}
        self._blocked_since: dict[int, float] = {}
        self._told: dict[Input, tuple[int, Note]] = {}  # what stands in the group's offsets
        self._written: set[int] = set()  # the partitions of which the table of links says that they are

    @property
    def is_undivided(self) -> bool:
        """Tell whether one process must have all partitions: by the event clock they are merged as a whole."""
        return not self._wall

    def start(self) -> None:
        """Check the topics and the clock, and end what a predecessor left open."""
        self._partitions = check_partitions(self._kafka)
        if self._wall:
            self._clock()  # one that is wrong ends the start
        ensure_changelog(self._kafka, self._links_topic, 1, self._settings.replication_factor)
        if self._sealer is not None:
            self._sealer.start()
        self._producer.start()

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Bring the table of links up to what was committed so far, and the keys of these partitions."""
        if partitions:
            self._links.recover(abandoned)
            if not abandoned():
                self._links.keep_partitions(self._partitions)
        if self._sealer is not None:
            self._sealer.recover(partitions, abandoned)

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        """Start where the last commit stands, and take the last tick and the programme from its note.

        Raises `RekindleError` for a partition that was written and whose offsets are gone: it would be written again.
        """
        self._ticks, self._programmes, self._written = {}, {}, set()
        for (topic, partition), found in committed.items():
            if topic == CONTROL:
                if self._links.has_written(partition):
                    self._written.add(partition)
                    if found is None:
                        raise offsets_gone(self._kafka, ingest_group(self._settings), partition)
                note = Note() if found is None else found.note
                self._ticks[partition] = PartitionTicks(self._wall, note.tick, note.tick)
                self._programmes[partition] = note.programme
                self._regions.get(note.programme)
        return {each: None if found is None else found.offset for each, found in committed.items()}

    def read_from(self, positions: Mapping[Input, int]) -> None:
        """Begin with empty merges."""
        inputs: dict[int, dict[Input, int]] = {}
        for place, position in positions.items():
            inputs.setdefault(self._merge_of(place[1]), {})[place] = position
        self._merges = {number: Merge(places) for number, places in inputs.items()}
        self._blocked_since, self._told = {}, {}

    def _merge_of(self, partition: int) -> int:
        return partition if self._wall else ALL

    def handle(self, batches: Sequence[Batch], group: bytes) -> None:
        """Sift batches, merge them, and append what is next in line in their partitions."""
        for batch in batches:
            metrics.records_in.labels(self.name, batch.topic).inc(len(batch.records))
            started = time.perf_counter()
            entries = self._sift.entries(batch.topic, batch.records)
            metrics.step_seconds.labels(self.name, "sift").observe(time.perf_counter() - started)
            merge = self._merges[self._merge_of(batch.partition)]
            merge.add((batch.topic, batch.partition), batch.start, batch.end, entries, at_end=batch.at_end)
        self._append_ready(dict.fromkeys(self._merge_of(batch.partition) for batch in batches), group)

    def idle(self, group: bytes) -> bool:
        """Append a tick where it is time, and what has waited for too long."""
        self._append_ready([number for number, merge in self._merges.items() if merge.waiting], group)
        now = self._clock()
        due = {
            partition: tick
            for partition, ticks in self._ticks.items()
            if self._is_caught_up(partition) and (tick := ticks.due(now, caught_up=True)) is not None
        }
        if due:
            self._commit({self._merge_of(partition): [] for partition in due}, due, group)
        return False

    def _is_caught_up(self, partition: int) -> bool:
        merge = self._merges.get(self._merge_of(partition))
        return merge is not None and merge.caught_up

    def held(self) -> Collection[Input]:
        """Hold back inputs of which enough waits to be merged."""
        enough = WAITING_FACTOR * self._settings.batch_records_max
        return [place for merge in self._merges.values() for place in merge.full(enough, WAITING_BYTES_MAX)]

    def next_offsets(self) -> Mapping[Input, int]:
        """Tell how far each input is in the log."""
        return {place: offset for merge in self._merges.values() for place, offset in merge.next_offsets().items()}

    def progress(self) -> Mapping[Input, int]:
        """Tell of an input of which nothing waits to be merged how far it is, of others how far their merge is."""
        return {place: number for merge in self._merges.values() for place, number in merge.progress().items()}

    def close(self) -> None:
        """Close the table of links and the stores of keys."""
        self._links.close()
        if self._sealer is not None:
            self._sealer.close()

    def _append_ready(self, merges: Collection[int], group: bytes) -> None:
        """Append what is known to come next, of all these merges in one transaction, or in as many as it takes."""
        while not self.gives_way():
            taken: dict[int, Sequence[Entry]] = {}
            room = self._settings.batch_records_max
            for number in merges:
                entries = self._merges[number].take(room, impatient=self._is_impatient(number))
                if entries:
                    self._blocked_since.pop(number, None)
                    taken[number] = entries
                    room -= len(entries)
                if room == 0:
                    break
            if not taken:
                return
            self._commit(taken, {}, group)

    def _is_impatient(self, number: int) -> bool:
        """Tell whether, by the wall clock, an input has held the others back for long enough."""
        if not self._wall or not self._merges[number].waiting:
            self._blocked_since.pop(number, None)
            return False
        since = self._blocked_since.setdefault(number, self._monotonic())
        return self._monotonic() - since >= PATIENCE_SECONDS

    def _commit(self, taken: Mapping[int, Sequence[Entry]], ticks: Mapping[int, Tick], group: bytes) -> None:
        """Append what was taken of some merges, and ticks, in one transaction."""
        pass_point(self.name, "handled")
        started = time.perf_counter()
        self._prepare([entry for entries in taken.values() for entry in entries])
        with self._producer.begin() as transaction:
            for number, entries in taken.items():
                for entry in entries:
                    self._append(transaction, entry)
                for partition in self._partitions_of(number):
                    tick = ticks.get(partition) or self._tick_after(partition, entries)
                    if tick is not None:
                        self._append_tick(transaction, partition, tick)
            written = {each for number in taken for each in self._partitions_of(number)} - self._written
            for partition in written:
                self._links.set_written(partition)
            links = self._links.changes()
            transaction.produce_changelog(self._links_topic, links, partition=0)
            if self._sealer is not None and self._sealer.has_written:
                transaction.flush()  # whoever takes over the owners' partitions may not wait for these inputs' offsets
            moved = self._moved(taken)
            offsets = transaction.commit(self._positions(moved), group)
        self._told.update(moved)
        self._written |= written
        if links:
            self._links.committed(offsets[0])
        if self._sealer is not None:
            self._sealer.committed()
        metrics.step_seconds.labels(self.name, "append").observe(time.perf_counter() - started)
        metrics.batch_records.labels(self.name).observe(sum(map(len, taken.values())))

    def _prepare(self, entries: Sequence[Entry]) -> None:
        """Read what will be asked for, before a transaction waits for it: links, keys, what programmes say."""
        self._links.follow()
        self._owners.prefetch(entries)
        for entry in entries:
            if isinstance(entry.control, ProgrammeApplied):
                self._regions.get(entry.control.programme)
        if self._sealer is None:
            return
        self._sealer.begin()
        owners: dict[int, list[bytes]] = {}
        for entry in entries:
            if entry.sealing is not None and entry.facts is not None and entry.facts.member_id:
                owner = entry.facts.member_id.encode()
                owners.setdefault(partition_of(owner, self._partitions), []).append(owner)
        for partition, names in owners.items():
            if partition in self._ticks:
                self._sealer.prepare(partition, names)

    def _partitions_of(self, number: int) -> Collection[int]:
        return self._ticks if number == ALL else (number,)

    def _append(self, transaction: Transaction, entry: Entry) -> None:
        record = entry.record
        at = kafka_time(entry.occurred_at)
        if entry.reason is not None:
            self._dead_letters.produce(transaction, record, entry.reason)
        elif isinstance(entry.control, ProgrammeApplied):
            self._programmes[record.partition] = entry.control.programme
            transaction.produce(MEMBER_EVENTS, record.value, None, partition=record.partition, timestamp=at)
        elif entry.control is not None:
            if not isinstance(entry.control, Tick) or self._ticks[record.partition].forwards(entry.control):
                if isinstance(entry.control, Event):
                    self._append_sent_on(transaction, entry)
                else:
                    self._append_said(transaction, record.partition, record.key, record.value, entry.control)
        elif entry.facts is not None:
            self._append_event(transaction, entry, entry.facts)

    def _append_sent_on(self, transaction: Transaction, entry: Entry) -> None:
        """Append an event to whom its state went, and mark it: the log has it under the key that it came to, too."""
        record = entry.record
        value = self._sealed(transaction, record.partition, record.key, entry)
        at, marks = kafka_time(entry.occurred_at), [(SENT_ON, b"")]
        transaction.produce(MEMBER_EVENTS, value, record.key, partition=record.partition, timestamp=at, headers=marks)

    def _append_said(
        self, transaction: Transaction, partition: int, key: bytes | None, value: bytes, said: LogRecord
    ) -> None:
        """Append what is said of a partition or of one in it: a tick, a programme, what becomes of a state."""
        if self._sealer is not None and key is not None:
            if isinstance(said, StateHandedOver):
                is_over = self._is_over(key, said.occurred_at)
                seal = self._sealer.seal_apart if is_over else self._sealer.seal
                value = seal(transaction, partition, key, value)
            elif isinstance(said, StateMoved) and said.erased:
                value = self._sealer.end(transaction, partition, key, value)
        at = kafka_time(said.occurred_at)
        transaction.produce(MEMBER_EVENTS, value, key, partition=partition, timestamp=at)

    def _append_event(self, transaction: Transaction, entry: Entry, facts: Header) -> None:
        """Append an event under the key of whoever it is of; if that is in another's partition, it goes there first."""
        record = entry.record
        at = kafka_time(entry.occurred_at)
        found = self._owners.identify(facts, self._regions.get(self._programmes[record.partition]))
        key = found.key.encode()
        home = partition_of(key, self._partitions)
        if home not in self._ticks:
            transaction.produce(record.topic, record.value, key, partition=home, timestamp=at)
            return
        for name, moved in self._owners.take(found, facts, f"{record.topic}/{record.partition}/{record.offset}"):
            self._say(transaction, name.encode(), moved)
        value = record.value if entry.sealing is None else self._sealed(transaction, home, key, entry)
        transaction.produce(MEMBER_EVENTS, value, key, partition=home, timestamp=at)
        if self._wall or record.topic != STATUSES:
            self._ticks[home].saw_event(entry.occurred_at)

    def _sealed(self, transaction: Transaction, partition: int, key: bytes, entry: Entry) -> bytes:
        """Return what goes into the log for an event."""
        return seal_event(
            self._sealer,
            self._codec,
            transaction,
            partition,
            key,
            entry.record.value,
            entry.sealing,
            lambda: self._is_over(key, entry.occurred_at),
        )

    def _is_over(self, key: bytes, occurred_at: int) -> bool:
        """Tell whether what is said of a member is of the time before they were erased."""
        known = self._links.known(root(self._links, key.decode()))
        return known is not None and known.erased_at is not None and occurred_at <= known.erased_at

    def _say(self, transaction: Transaction, name: bytes, moved: StateMoved) -> None:
        """Append a move of a state under this key, or have it appended by whose partition that is."""
        partition, value = partition_of(name, self._partitions), self._codec.encode(moved)
        if partition in self._ticks:
            self._append_said(transaction, partition, name, value, moved)
        else:  # stamped with the time of writing, by which Kafka deletes: what happened weeks ago would be gone unread
            transaction.produce(CONTROL, value, name, partition=partition)

    def _tick_after(self, partition: int, entries: Sequence[Entry]) -> Tick | None:
        if not entries:
            return None
        return self._ticks[partition].due(self._clock(), caught_up=self._is_caught_up(partition))

    def _append_tick(self, transaction: Transaction, partition: int, tick: Tick) -> None:
        value = self._codec.encode(tick)
        transaction.produce(MEMBER_EVENTS, value, None, partition=partition, timestamp=kafka_time(tick.occurred_at))
        self._ticks[partition].last = tick.occurred_at
        metrics.tick_timestamp_seconds.labels(str(partition)).set(tick.occurred_at / 1000)

    def _moved(self, numbers: Iterable[int]) -> dict[Input, tuple[int, Note]]:
        """Find the inputs that aren't as they were committed last: most have nothing new, and each costs a record."""
        moved = {}
        for number in numbers:
            for place, offset in self._merges[number].next_offsets().items():
                topic, partition = place
                note = _NOTHING_TO_NOTE
                if topic == CONTROL:  # the one whose note is read
                    note = Note(tick=self._ticks[partition].last, programme=self._programmes[partition])
                said = offset, note
                if self._told.get(place) != said:
                    moved[place] = said
        return moved

    def _positions(self, moved: Mapping[Input, tuple[int, Note]]) -> Sequence[TopicPartition]:
        now = self._clock()
        return [
            TopicPartition(topic, partition, offset, msgspec.structs.replace(note, at=now).encode())
            for (topic, partition), (offset, note) in moved.items()
        ]
