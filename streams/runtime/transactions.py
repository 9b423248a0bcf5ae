"""One Kafka transaction for the batches in hand: what a stage puts out, the changelog of its state, its input offsets.

The order of a commit:

1. `begin`            a transaction is open
2. `produce`          outputs and changelog records
3. `send_offsets`     the input offsets become part of the transaction; a worker that lost its partitions fails here
4. `commit`           all of it becomes visible at once
5. the caller writes its local state, which may now run behind the changelog, never ahead of it

Whatever fails before 4 is aborted, and the caller ends its process or drops the batch: what a restart finds is the
state before it. A restart with the same transactional id also ends what its predecessor left open.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streams import metrics
from streams.errors import RekindleError
from streams.kafka import SENDS_OFFSETS, Kafka
from streams.runtime.fault_points import pass_point

TIMEOUT_SECONDS = 30.0
TRANSACTION_TIMEOUT_MS = 15_000  # how long one that a dead worker left open can hold up its heir
_STALE = frozenset({KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS})

logger = logging.getLogger(__name__)


def kafka_time(occurred_at: int) -> int:
    """Return the Kafka timestamp of a moment: Kafka has none before 1970, and its client takes 0 for "now"."""
    return max(occurred_at, 1)


Change = tuple[bytes, bytes | None]
"""Key and value of a changelog record, None for deleted."""


class PartitionsLostError(Exception):
    """The group was dealt out anew while a batch was handled; nothing of it was written."""


class TransactionalProducer:
    """The producer of one process and stage. Not thread-safe: the stage's one thread uses it."""

    def __init__(self, kafka: Kafka, stage: str, transactional_id: str) -> None:
        self.stage = stage
        self._id = transactional_id
        self._producer = kafka.producer(
            {
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                **SENDS_OFFSETS,
                "queue.buffering.max.messages": 1_000_000,
                "batch.num.messages": 20_000,
                "batch.size": 1_000_000,
            }
        )

    def start(self) -> None:
        """Fence off every other producer with this id and end what it left open. Raises `RekindleError`."""
        try:
            self._producer.init_transactions(TIMEOUT_SECONDS)
        except KafkaException as error:
            raise RekindleError(f"transactions of {self._id} cannot be started: {error.args[0].str()}") from error

    def begin(self) -> "Transaction":
        """Open a transaction; use it as a context, which aborts it when an exception leaves it."""
        return Transaction(self._producer, self.stage)


class Transaction:
    """An open transaction."""

    def __init__(self, producer: Producer, stage: str) -> None:
        self._producer = producer
        self._stage = stage
        self._records: dict[str, int] = {}
        self._failure: KafkaError | None = None
        self._changelog_offsets: dict[int, int] = {}

    def __enter__(self) -> Self:
        self._producer.begin_transaction()
        return self

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        partition: int = -1,
        timestamp: int = 0,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Add a record; `partition` -1 means the one of its key, `timestamp` 0 means now (ms since the epoch)."""
        if headers:
            self._produce(topic, value, key, partition=partition, timestamp=timestamp, headers=list(headers))
        else:
            self._produce(topic, value, key, partition=partition, timestamp=timestamp)
        self._records[topic] = self._records.get(topic, 0) + 1

    def produce_all(self, records: Iterable[tuple[str, bytes, bytes, int | None]]) -> None:
        """Add many records, each topic, key, value and timestamp, to the partition of its key.

        Timestamps are in ms since the epoch, None means now.
        """
        counts = self._records
        for topic, key, value, at in records:
            self._produce(topic, value, key, timestamp=0 if at is None else kafka_time(at))
            counts[topic] = counts.get(topic, 0) + 1

    def produce_changelog(self, topic: str, changes: Sequence[Change], *, partition: int) -> None:
        """Add changelog records of a partition; `commit` answers the offset of the last of them.

        All but that one go to the client in one call. What doesn't fit into its queue comes back, and is added singly.
        """
        if not changes:
            return
        records = [{"key": key, "value": value} for key, value in changes]
        last = records.pop()
        if self._producer.produce_batch(topic, records, partition=partition) < len(records):
            for record in records:
                if "_error" in record:
                    self._produce(topic, record["value"], record["key"], partition=partition)
        self._produce(topic, last["value"], last["key"], partition=partition, on_delivery=self._delivered)

    def _produce(self, topic: str, value: bytes | None, key: bytes | None, **options: Any) -> None:
        while True:
            try:
                self._producer.produce(topic, value, key, **options)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._failure = error
        else:
            self._changelog_offsets[message.partition()] = message.offset()

    def flush(self) -> None:
        """Have all records in the log before `commit` sends offsets: for those that other inputs' heirs recover."""
        self._producer.flush(TIMEOUT_SECONDS)

    def commit(self, offsets: Sequence[TopicPartition], group: bytes) -> Mapping[int, int]:
        """Commit with the input offsets of the group; returns the last changelog offset of each partition.

        Raises `PartitionsLostError` when another worker has the partitions now, `KafkaException` for the rest.
        """
        pass_point(self._stage, "produced")
        try:
            self._producer.send_offsets_to_transaction(list(offsets), group, TIMEOUT_SECONDS)
            pass_point(self._stage, "offsets_sent")
            self._retried(self._producer.commit_transaction)
        except KafkaException as error:
            if error.args[0].code() in _STALE:
                raise PartitionsLostError(error.args[0].str()) from error
            raise
        if self._failure is not None:  # cannot be: a lost record fails the commit
            raise KafkaException(self._failure)
        pass_point(self._stage, "committed")
        metrics.transactions.labels(self._stage, "committed").inc()
        metrics.last_commit_timestamp_seconds.labels(self._stage).set_to_current_time()
        for topic, count in self._records.items():
            metrics.records_out.labels(self._stage, topic).inc(count)
        return self._changelog_offsets

    def _retried(self, action: Any) -> None:
        for _ in range(3):
            try:
                action(TIMEOUT_SECONDS)
            except KafkaException as error:
                if not error.args[0].retriable():
                    raise
            else:
                return
        action(TIMEOUT_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return
        metrics.transactions.labels(self._stage, "aborted").inc()
        try:
            self._retried(self._producer.abort_transaction)
        except KafkaException as failure:
            # fenced or cut off: the broker aborts it when it times out, or the next producer with this id does
            logger.warning("the transaction could not be aborted: %s", failure.args[0].str())
