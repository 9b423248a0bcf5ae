"""The ledger of a channel: which dispatches were claimed, and which are done, so that none is handed over twice.

A compacted topic `<prefix>-sender-<channel>-ledger`, with the partitions of `send.<channel>`, holds the truth; each
sender keeps those of its partitions in RocksDB for looking up. Entries are written in the Kafka transactions that also
commit the offsets: whoever is no longer the owner of a partition cannot write them (the transaction fails), and whoever
becomes the owner reads them first.

- *claimed*: written before a dispatch is handed over. Found by a new owner, it is in doubt: the gateway is asked.
- *done*: written with the status. Found again (a record that came twice), it is passed over.
- none: it was not begun, or given back before the gateway saw it.

Entries are kept for `KEPT_S`, like events in a member's state: whatever repeats later is taken for new. The local copy
knows the id of its topic, so that one of a topic made anew is thrown away.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from sinks.senders.ledger_copy import LedgerCopy
from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, READS_TO_END, Kafka, admin_client
from streams.settings import Settings

KEPT_S = 7 * 86_400
CLAIMED = b"c"
DONE = b"d"

OPEN_TRANSACTION_S = 40.0
_RESTORE_RECORDS = 10_000


def ledger_topic(settings: Settings, channel: str) -> str:
    """Name the topic of a channel's ledger."""
    return f"{settings.group_prefix}-sender-{channel}-ledger"


def create_ledger_topic(settings: Settings, channel: str, partitions: int) -> str:
    """Create the ledger of a channel unless it exists; returns the topic's id, which a topic made anew has not.

    Raises `RekindleError` when Kafka refuses, or when it exists with other partitions.
    """
    name = ledger_topic(settings, channel)
    admin = admin_client(settings)
    wanted = NewTopic(
        name,
        num_partitions=partitions,
        replication_factor=settings.replication_factor,
        config={"cleanup.policy": "compact,delete", "retention.ms": str(KEPT_S * 1000)},
    )
    try:
        admin.create_topics([wanted])[name].result(REACH_SECONDS)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise RekindleError(f"topic {name} cannot be created: {error.args[0].str()}") from error
    return _topic_id(admin, name, partitions)


def _topic_id(admin: AdminClient, name: str, partitions: int) -> str:
    deadline = time.monotonic() + REACH_SECONDS
    while True:
        try:
            found = admin.describe_topics(TopicCollection([name]))[name].result(REACH_SECONDS)
        except KafkaException as error:
            if time.monotonic() > deadline:
                raise RekindleError(f"topic {name} cannot be described: {error.args[0].str()}") from error
            time.sleep(0.1)  # just created: not every broker knows it yet
            continue
        if len(found.partitions) != partitions:
            raise RekindleError(f"topic {name} has {len(found.partitions)} partitions, expected {partitions}")
        return str(found.topic_id)


class Copies(Protocol):
    """Where the local copies are: `LedgerFolder`, or memory in the simulation of the pipeline."""

    def open(self, partition: int) -> LedgerCopy:
        """Open the copy of a partition. Raises `RekindleError`."""

    def close(self) -> None:
        """Let go of them."""


class Ledger:
    """The ledger of the partitions that this process has. Not for several threads at once."""

    def __init__(
        self, kafka: Kafka, topic: str, copies: Copies, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.topic = topic
        self._kafka = kafka
        self._admin = kafka.admin()
        self._copies = copies
        self._monotonic = monotonic
        self._partitions: dict[int, LedgerCopy] = {}

    def open(self, partition: int) -> int:
        """Bring the local copy of a partition up to date; returns how many entries that took.

        The caller must own the partition already, and have fetched its committed offset: then no transaction of the
        owner before is open any more. Raises `RekindleError`.
        """
        copy = self._partitions[partition] = self._copies.open(partition)
        consumer = self._kafka.consumer(f"{self.topic}-reader", READS_TO_END)
        try:
            return self._restore(consumer, partition, copy)
        except (KafkaException, TimeoutError) as error:
            raise RekindleError(f"{self.topic}/{partition} cannot be read: {error!r}") from error
        finally:
            consumer.close()

    def _restore(self, consumer: Consumer, partition: int, copy: LedgerCopy) -> int:
        """Read on to where the topic ends now, waiting for transactions that are open before that end."""
        position = copy.read_up_to()
        end = self._end(partition)
        consumer.assign([TopicPartition(self.topic, partition, position)])
        count = 0
        deadline = self._monotonic() + OPEN_TRANSACTION_S
        while position < end:
            entries: dict[bytes, bytes | None] = {}
            messages = consumer.consume(_RESTORE_RECORDS, 0.5)
            for message in messages:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise KafkaException(error)
                offset = message.offset()
                assert offset is not None
                position = offset + (error is None)
                if error is not None:
                    continue
                count += 1
                key = message.key()
                assert key is not None
                entries[key] = message.value()
            if messages:
                copy.write(entries, position)
                deadline = self._monotonic() + OPEN_TRANSACTION_S
            elif self._monotonic() > deadline:
                raise RekindleError(f"{self.topic}/{partition} cannot be read: offset {position} of {end} stays away")
        return count

    def _end(self, partition: int) -> int:
        place = TopicPartition(self.topic, partition)
        found = self._admin.list_offsets(
            {place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
        )
        end: int = found[place].result(REACH_SECONDS).offset
        return end

    def states(self, partition: int, dispatch_ids: Iterable[str]) -> list[bytes | None]:
        """`CLAIMED`, `DONE` or None for each of the ids."""
        return self._partitions[partition].states([dispatch_id.encode() for dispatch_id in dispatch_ids])

    def note(self, partition: int, entries: Mapping[str, bytes | None], read_up_to: int) -> None:
        """Take over what was committed to the topic: entries by id, None for one that was given back.

        `read_up_to` is the offset behind the last of them.
        """
        changes = {dispatch_id.encode(): state for dispatch_id, state in entries.items()}
        self._partitions[partition].write(changes, read_up_to)

    def close_partition(self, partition: int) -> None:
        """Let go of a partition."""
        copy = self._partitions.pop(partition, None)
        if copy is not None:
            copy.close()

    def close(self) -> None:
        """Let go of everything."""
        for partition in list(self._partitions):
            self.close_partition(partition)
        self._copies.close()
