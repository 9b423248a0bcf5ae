"""The profiles stage: the members' changelog in, `member.profiles` out.

Deciding costs nothing more for it: the members stage writes what it always has, and this one, in a process of its own,
reads it with some delay. Of each member only the last record counts, so what comes in a while is one profile: records
wait for later ones, up to a second, or until many wait.

What is in hand, of however many partitions, is one commit: profiles, tombstones and dead letters → input offsets → the
transaction. It keeps no state: what waits is read again by whoever has the partitions next.
"""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from confluent_kafka import TopicPartition

from schemas.codec import Codec
from schemas.profiles import MemberProfile
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.dead_letters import DeadLetters
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.changelog import ensure_changelog
from streams.members.emit import RECORD_BYTES_MAX
from streams.profiles.make import UnfitStateError, is_members, profile_value
from streams.runtime.batch import Batch
from streams.runtime.fault_points import pass_point
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.stage import Input, never
from streams.runtime.transactions import Transaction, TransactionalProducer, kafka_time
from streams.settings import Settings
from streams.topics import MEMBER_PROFILES, check_partitions, members_changelog

LINGER_SECONDS = 1.0
MEMBERS_MAX = 5_000
"""Members that wait at most; beyond, they are carried on at once."""
WAITING_BYTES_MAX = 16 << 20

logger = logging.getLogger(__name__)


class _Unfit(NamedTuple):
    """A record of which no profile can be made, for a dead letter, which must not become too large itself."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None


class ProfilesStage:
    """Implements `streams.runtime.stage.Stage`."""

    name = "profiles"
    is_undivided = False
    fetch_pause_seconds = 0.2  # nobody waits for profiles
    gives_way: Callable[[], bool] = staticmethod(never)

    def __init__(
        self,
        settings: Settings,
        kafka: Kafka,
        codec: Codec,
        producer: TransactionalProducer,
        *,
        clock: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._codec = codec
        self._producer = producer
        self._clock = clock
        self._monotonic = monotonic
        self._changelog = members_changelog(settings)
        self.topics: Sequence[str] = (self._changelog,)
        self._dead_letters = DeadLetters(codec, self.name, clock)
        self._read_to: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self._waiting: dict[bytes, Any] = {}  # the last record of each member
        self._waiting_bytes = 0
        self._since: float | None = None  # since when something waits

    def start(self) -> None:
        """Check the topics and that profiles can be written. Raises `RekindleError`."""
        partitions = check_partitions(self._kafka)
        if MEMBER_PROFILES not in self._kafka.partition_counts():
            raise RekindleError(f"topics are missing ({MEMBER_PROFILES}): run `rekindle topics create`")
        ensure_changelog(self._kafka, self._changelog, partitions, self._settings.replication_factor)
        self._codec.encode(MemberProfile(member_id="", at=0))
        self._producer.start()

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Do nothing: there is no local state."""

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        """Start where the last commit stands, else with the first record that the changelog still has."""
        return {each: None if found is None else found.offset for each, found in committed.items()}

    def read_from(self, positions: Mapping[Input, int]) -> None:
        """Begin with nothing that waits."""
        self._read_to = {partition: position for (_, partition), position in positions.items()}
        self._committed = dict(self._read_to)
        self._forget()

    def handle(self, batches: Sequence[Batch], group: bytes) -> None:
        """Take of each member the last record; carry on what there is if that is much."""
        for batch in batches:
            self._take(batch)
        enough = min(MEMBERS_MAX, self._settings.batch_records_max)
        if len(self._waiting) >= enough or self._waiting_bytes >= WAITING_BYTES_MAX:
            self._commit(group)
        elif self._since is None:
            self._since = self._monotonic()

    def idle(self, group: bytes) -> bool:
        """Carry on what has waited for long enough."""
        if self._since is not None and self._monotonic() - self._since >= LINGER_SECONDS:
            self._commit(group)
        return False

    def held(self) -> Collection[Input]:
        """Hold nothing back."""
        return ()

    def next_offsets(self) -> Mapping[Input, int]:
        """Tell how far each partition is carried on."""
        return {(self._changelog, partition): offset for partition, offset in self._committed.items()}

    def progress(self) -> Mapping[Input, int]:
        """Tell the same: each partition gets on by itself."""
        return self.next_offsets()

    def close(self) -> None:
        """Do nothing: what waits is read again."""

    def _take(self, batch: Batch) -> None:
        expected = self._read_to[batch.partition]
        if batch.start > expected:
            missing = f"records {expected} to {batch.start - 1} of {batch.topic}/{batch.partition}"
            raise RekindleError(f"{missing} were never delivered")
        self._read_to[batch.partition] = max(batch.end, expected)
        metrics.records_in.labels(self.name, batch.topic).inc(len(batch.records))
        waiting = self._waiting
        for record in batch.records:
            key = record.key
            if record.offset >= expected and key and is_members(key):
                before = waiting.pop(key, None)  # the order is that of the last records
                self._waiting_bytes += len(record.value or b"") - (len(before.value or b"") if before else 0)
                waiting[key] = record

    def _commit(self, group: bytes) -> None:
        """Carry on what waits, and commit how far the changelog is read."""
        pass_point(self.name, "handled")
        started = time.perf_counter()
        positions = [
            TopicPartition(self._changelog, partition, offset, Note(at=self._clock()).encode())
            for partition, offset in self._read_to.items()
            if offset != self._committed[partition]
        ]
        with self._producer.begin() as transaction:
            for key, record in self._waiting.items():
                self._carry_on(transaction, key, record)
            made = time.perf_counter()
            transaction.commit(positions, group)
        metrics.batch_records.labels(self.name).observe(len(self._waiting))
        metrics.step_seconds.labels(self.name, "make").observe(made - started)
        metrics.step_seconds.labels(self.name, "commit").observe(time.perf_counter() - made)
        self._committed = dict(self._read_to)
        self._forget()

    def _forget(self) -> None:
        self._waiting, self._waiting_bytes, self._since = {}, 0, None

    def _carry_on(self, transaction: Transaction, key: bytes, record: Any) -> None:
        try:
            value, at = profile_value(self._codec, record.value)
        except UnfitStateError as error:
            small = record.value if len(record.value) <= RECORD_BYTES_MAX else None
            unfit = _Unfit(record.topic, record.partition, record.offset, key, small)
            self._dead_letters.produce(transaction, unfit, str(error))
            return
        timestamp = kafka_time(record.timestamp if at is None else at)
        transaction.produce(MEMBER_PROFILES, value, key, timestamp=timestamp)
