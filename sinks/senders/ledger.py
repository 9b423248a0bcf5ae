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

import fcntl
import os
import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]
from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, admin_client, client_config
from streams.settings import Settings

KEPT_S = 7 * 86_400
CLAIMED = b"c"
DONE = b"d"

_READ_UP_TO = b"\0read_up_to"  # ids of dispatches never begin with a zero byte
_SLOTS_MAX = 64
OPEN_TRANSACTION_S = 40.0
_CACHE_BYTES = 8 << 20
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


class Ledger:
    """The ledger of the partitions that this process has. Not for several threads at once."""

    def __init__(self, settings: Settings, channel: str, topic_id: str) -> None:
        self.topic = ledger_topic(settings, channel)
        self._settings = settings
        self._admin = admin_client(settings)
        self._partitions: dict[int, Rdict] = {}
        self._slot = _Slot(settings.data_dir / "senders" / channel, settings.instance or "sender")
        self._directory = self._slot.directory / topic_id
        for other in self._slot.directory.iterdir():
            if other.is_dir() and other.name != topic_id:
                shutil.rmtree(other)

    def open(self, partition: int) -> int:
        """Bring the local copy of a partition up to date; returns how many entries that took.

        The caller must own the partition already, and have fetched its committed offset: then no transaction of the
        owner before is open any more. Raises `RekindleError`.
        """
        database = self._open_local(partition)
        self._partitions[partition] = database
        consumer = Consumer(
            {
                **client_config(self._settings),
                "group.id": f"{self.topic}-reader",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            }
        )
        try:
            return self._restore(consumer, partition, database)
        except (KafkaException, TimeoutError) as error:
            raise RekindleError(f"{self.topic}/{partition} cannot be read: {error!r}") from error
        finally:
            consumer.close()

    def _restore(self, consumer: Consumer, partition: int, database: Rdict) -> int:
        """Read on to where the topic ends now, waiting for transactions that are open before that end."""
        position = int(database.get(_READ_UP_TO) or 0)
        end = self._end(partition)
        consumer.assign([TopicPartition(self.topic, partition, position)])
        count = 0
        deadline = time.monotonic() + OPEN_TRANSACTION_S
        while position < end:
            batch = WriteBatch(raw_mode=True)
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
                key, state = message.key(), message.value()
                assert key is not None
                if state is None:
                    batch.delete(key)
                else:
                    batch.put(key, state)
            if messages:
                batch.put(_READ_UP_TO, str(position).encode())
                database.write(batch)
                deadline = time.monotonic() + OPEN_TRANSACTION_S
            elif time.monotonic() > deadline:
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

    def _open_local(self, partition: int) -> Rdict:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(4 << 20)
        options.set_max_open_files(64)
        blocks = BlockBasedOptions()
        blocks.set_block_cache(Cache(_CACHE_BYTES))
        blocks.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(blocks)
        path = self._directory / str(partition)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return Rdict(str(path), options=options, access_type=AccessType.with_ttl(KEPT_S))
        except Exception as error:
            raise RekindleError(f"the sender's ledger {path} cannot be opened: {error}") from error

    def states(self, partition: int, dispatch_ids: Iterable[str]) -> list[bytes | None]:
        """`CLAIMED`, `DONE` or None for each of the ids."""
        wanted: list[Any] = [dispatch_id.encode() for dispatch_id in dispatch_ids]
        found: Any = self._partitions[partition].get(wanted) if wanted else []
        return list(found)

    def note(self, partition: int, entries: Mapping[str, bytes | None], read_up_to: int) -> None:
        """Take over what was committed to the topic: entries by id, None for one that was given back.

        `read_up_to` is the offset behind the last of them.
        """
        batch = WriteBatch(raw_mode=True)
        for dispatch_id, state in entries.items():
            if state is None:
                batch.delete(dispatch_id.encode())
            else:
                batch.put(dispatch_id.encode(), state)
        batch.put(_READ_UP_TO, str(read_up_to).encode())
        self._partitions[partition].write(batch)

    def close_partition(self, partition: int) -> None:
        """Let go of a partition."""
        database = self._partitions.pop(partition, None)
        if database is not None:
            database.close()

    def close(self) -> None:
        """Let go of everything."""
        for partition in list(self._partitions):
            self.close_partition(partition)
        self._slot.release()


class _Slot:
    """A folder that no other process uses: `<name>-0`, or the next that is free; a restart mostly finds its own."""

    def __init__(self, parent: Path, name: str) -> None:
        for number in range(_SLOTS_MAX):
            self.directory = parent / f"{name}-{number}"
            try:
                self.directory.mkdir(parents=True, exist_ok=True)
                self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o640)
            except OSError as error:
                raise RekindleError(f"{self.directory} cannot be written: {error.strerror}") from error
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
                continue
            return
        raise RekindleError(f"{parent}: {_SLOTS_MAX} senders run here already")

    def release(self) -> None:
        os.close(self._lock)
