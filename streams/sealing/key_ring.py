"""The keys of some partitions as readers of the log need them: stores that follow `member.keys`.

A key is written in the transaction of the first record that is sealed with it, so whoever reads the record can read
the key. It may not have been fetched yet. Then this reads on to what was the end of the topic when it was asked,
whatever transactions are open before that: a key that isn't there by then was destroyed.

Opened keys are remembered, so that a member of many events costs two look-ups in dictionaries.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streams import metrics
from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, Kafka
from streams.members.record import FENCE
from streams.runtime.bounded_waits import waits
from streams.sealing.key_record import owner_and_id
from streams.sealing.key_store import KeyStore
from streams.sealing.master import MasterKeys
from streams.topics import MEMBER_KEYS

CIPHERS_MAX = 20_000
BATCH_RECORDS = 20_000
CONSUME_SECONDS = 0.05
STALL_SECONDS_MAX = 120.0

OpenStore = Callable[[int], KeyStore]


class KeyRing:
    """Follows `member.keys` for some partitions. Its methods may be called from several threads."""

    def __init__(self, kafka: Kafka, master: MasterKeys, open_store: OpenStore) -> None:
        self._kafka = kafka
        self._master = master
        self._open_store = open_store
        self._stores: dict[int, KeyStore] = {}
        self._positions: dict[int, int] = {}
        self._ciphers: dict[bytes, AESGCM] = {}
        self._consumer: Any = None
        self._lock = threading.RLock()

    def follow(self, partitions: Collection[int], abandoned: Callable[[], bool] = lambda: False) -> None:
        """Follow exactly these partitions, and read them to their present end. Raises `RekindleError`."""
        with self._lock:
            for partition in set(self._stores) - set(partitions):
                self._stores.pop(partition).close()
                del self._positions[partition]
            missing = [partition for partition in partitions if partition not in self._stores]
            if not missing:
                return
            self._reader()
            for partition in missing:
                self._begin(partition)
            self._consumer.assign([TopicPartition(MEMBER_KEYS, *each) for each in self._positions.items()])
            for partition in missing:
                metrics.recovery_steps.inc()
                self._catch_up(partition, abandoned)

    def _reader(self) -> Any:
        if self._consumer is None:
            if MEMBER_KEYS not in self._kafka.partition_counts():
                raise RekindleError(f"topic {MEMBER_KEYS} is missing: run `rekindle topics create`")
            config = {"enable.partition.eof": True, "fetch.wait.max.ms": 20}
            self._consumer = self._kafka.consumer("rekindle-member-keys", config)
        return self._consumer

    def _begin(self, partition: int) -> None:
        low, _ = self._consumer.get_watermark_offsets(TopicPartition(MEMBER_KEYS, partition), timeout=30)
        store = self._stores[partition] = self._open_store(partition)
        have = store.changelog_offset
        if have is not None and not low <= have + 1 <= self._end(partition):  # the topic was made anew, or cut
            store.empty()
            have = None
        self._positions[partition] = low if have is None else have + 1

    def _end(self, partition: int) -> int:
        """Return the end of a partition, what is undecided included."""
        place = TopicPartition(MEMBER_KEYS, partition)
        admin = self._kafka.admin()
        found = admin.list_offsets(
            {place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
        )
        try:
            return int(found[place].result(REACH_SECONDS).offset)
        except KafkaException as error:
            raise RekindleError(f"the end of {MEMBER_KEYS} cannot be read: {error.args[0].str()}") from error

    def drain(self) -> None:
        """Take what has been fetched by now, without waiting."""
        with self._lock:
            if self._consumer is not None and self._positions:
                while self._apply(self._consumer.consume(BATCH_RECORDS, 0)):
                    pass

    def _catch_up(self, partition: int, abandoned: Callable[[], bool] = lambda: False) -> None:
        end = self._end(partition)
        heard = time.monotonic()
        while self._positions[partition] < end and not abandoned():
            with waits.at_most(heard + STALL_SECONDS_MAX - time.monotonic()):
                messages = self._consumer.consume(BATCH_RECORDS, CONSUME_SECONDS)
            if self._apply(messages):
                heard = time.monotonic()
                metrics.recovery_steps.inc()
            elif time.monotonic() - heard > STALL_SECONDS_MAX:
                raise RekindleError(f"{MEMBER_KEYS}/{partition} gave nothing for {STALL_SECONDS_MAX:.0f} s")
        self._stores[partition].is_up_to_date()

    def _apply(self, messages: Iterable[Any]) -> bool:
        """Take messages over; tells whether there were any."""
        changes: dict[int, dict[bytes, bytes | None]] = defaultdict(dict)
        ends: dict[int, int] = {}
        for message in messages:
            error = message.error()
            partition = message.partition()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise KafkaException(error)
                ends[partition] = message.offset()
                continue
            ends[partition] = message.offset() + 1
            key = message.key()
            if key != FENCE:
                changes[partition].pop(key, None)
                changes[partition][key] = message.value()
        for partition, end in ends.items():
            store = self._stores.get(partition)
            if store is None or end <= self._positions[partition]:
                continue
            for key, value in changes[partition].items():
                if value is None:
                    self._ciphers.pop(key, None)
            store.apply_changelog(changes[partition], end - 1)
            self._positions[partition] = end
        return bool(ends)

    def ciphers(self, partition: int, wanted: Iterable[bytes]) -> Mapping[bytes, AESGCM]:
        """Return keys by how they stand in `member.keys`; one that isn't there was destroyed.

        Raises `RekindleError` when its master key is missing, or `member.keys` cannot be read.
        """
        with self._lock:
            if partition not in self._stores:
                self.follow([*self._stores, partition])
            self.drain()
            known = self._ciphers
            unknown = {key for key in wanted if key not in known}
            if not unknown:
                return known
            found = {key: known[key] for key in wanted if key in known}
            found.update(self._look_up(partition, unknown))
            if not unknown <= found.keys():
                self._catch_up(partition)
                found.update(self._look_up(partition, unknown - found.keys()))
        return found

    def _look_up(self, partition: int, unknown: Collection[bytes]) -> dict[bytes, AESGCM]:
        entries = self._stores[partition].get(owner_and_id(key)[0] for key in unknown)
        found = {}
        for key in unknown:
            owner, key_id = owner_and_id(key)
            for entry in entries[owner]:
                if entry.key_id == key_id:
                    found[key] = AESGCM(self._master.unwrap(entry.wrapped, key))
        if len(self._ciphers) + len(found) > CIPHERS_MAX:
            self._ciphers.clear()
        self._ciphers.update(found)
        return found

    def generations(self, partition: int, owner: bytes) -> int:
        """Count the keys of an owner that are not destroyed."""
        with self._lock:
            self.drain()
            return len(self._stores[partition].get([owner])[owner])

    def compact(self) -> None:
        """Rewrite the files of the stores, without what was deleted."""
        with self._lock:
            for store in self._stores.values():
                store.compact()

    def close(self) -> None:
        """Close the stores and the connection."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()
            self._positions.clear()
            if self._consumer is not None:
                self._consumer.close()
                self._consumer = None
