"""The ingest's side: seals personal records, draws keys for owners who have none, retires those of erased members.

What it decides within a transaction (`begin` … `committed`) counts within it at once, and for good once it is
committed: an aborted one leaves nothing behind. The stores follow the topic as the members' stores follow their
changelog: behind it, never ahead, and brought up to it when a partition is taken over.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streams import metrics
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.recover import recover_store, write_fences
from streams.sealing.envelope import KEY_BYTES, KEY_ID_BYTES, NONCE_BYTES, Draw, Pool, seal, with_ending
from streams.sealing.key_record import KeyEntry, changed, topic_key
from streams.sealing.key_ring import OpenStore
from streams.sealing.master import MasterKeys
from streams.topics import MEMBER_EVENTS, MEMBER_KEYS

if TYPE_CHECKING:
    from streams.sealing.key_store import KeyStore

Entries = tuple[KeyEntry, ...]
CURRENT_MAX = 20_000
"""Owners whose key is remembered, opened."""


class Sink(Protocol):
    """What a sealer needs of a transaction."""

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, *, partition: int = -1, timestamp: int = 0
    ) -> None:
        """Add a record."""


class Sealer:
    """Seals what goes into some partitions of `member.events`."""

    def __init__(self, kafka: Kafka, master: MasterKeys, open_store: OpenStore, draw: Draw = os.urandom) -> None:
        self._kafka = kafka
        self._master = master
        self._open_store = open_store
        self._draw = Pool(draw)
        self._stores: dict[int, KeyStore] = {}
        self._current: dict[bytes, tuple[bytes, AESGCM]] = {}
        self._drafts: dict[int, dict[bytes, Entries]] = defaultdict(dict)
        self._found: dict[bytes, Entries] = {}  # of the transaction in hand, as they stand or were changed in it

    @property
    def naming_secret(self) -> bytes:
        """What names of people are hashed with (`streams.identity.identifiers`)."""
        return self._master.naming_secret

    def start(self) -> None:
        """Check the topic. Raises `RekindleError`."""
        counts = self._kafka.partition_counts()
        if MEMBER_KEYS not in counts:
            raise RekindleError(f"topic {MEMBER_KEYS} is missing: run `rekindle topics create`")
        if counts[MEMBER_KEYS] != counts[MEMBER_EVENTS]:
            raise RekindleError(
                f"{MEMBER_KEYS} has {counts[MEMBER_KEYS]} partitions, {MEMBER_EVENTS} has {counts[MEMBER_EVENTS]}: "
                "they must be equal"
            )

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Make the keys of exactly these partitions ready. Raises `RekindleError`."""
        self.begin()
        self._current.clear()
        for partition in set(self._stores) - set(partitions):
            self._stores.pop(partition).close()
        if not partitions:
            return
        fences = write_fences(self._kafka, MEMBER_KEYS, list(partitions))
        for partition in partitions:
            if abandoned():
                return
            store = self._stores.get(partition)
            if store is None:
                store = self._stores[partition] = self._open_store(partition)
            fence = fences[partition]
            recover_store(self._kafka, MEMBER_KEYS, partition, store, stage="ingest", fence=fence, abandoned=abandoned)
            store.is_up_to_date()

    def begin(self) -> None:
        """Begin a transaction; what an aborted one before it decided is forgotten."""
        for drafts in self._drafts.values():
            for owner in drafts:
                self._current.pop(owner, None)
        self._drafts.clear()
        self._found.clear()

    def prepare(self, partition: int, owners: Iterable[bytes]) -> None:
        """Look up the keys of these owners at once: they are about to be asked for one by one."""
        missing = {owner for owner in owners if owner not in self._current}
        if len(self._current) + len(missing) > CURRENT_MAX:
            self._current.clear()
        self._found.update(self._stores[partition].get([owner for owner in missing if owner not in self._found]))
        for owner in missing:
            for entry in self._found[owner]:
                if not entry.is_retired:
                    key = self._master.unwrap(entry.wrapped, topic_key(owner, entry.key_id))
                    self._current[owner] = entry.key_id, AESGCM(key)

    def seal(self, transaction: Sink, partition: int, owner: bytes, value: bytes) -> bytes:
        """Seal a record; the first of an owner draws their key and writes it within the transaction."""
        current = self._current.get(owner)
        if current is None:
            self.prepare(partition, [owner])
            current = self._current.get(owner) or self._new(transaction, partition, owner)
        key_id, cipher = current
        metrics.records_sealed.inc()
        return seal(cipher, key_id, self._draw(NONCE_BYTES), owner, value)

    def seal_apart(self, transaction: Sink, partition: int, owner: bytes, value: bytes) -> bytes:
        """Seal what came too late for an erasure of the owner: with a key of its own, which opens nothing else.

        The members stage destroys it as soon as it has handled the record.
        """
        self._find(partition, owner)
        key_id, cipher = self._drawn(transaction, partition, owner, is_retired=True)
        metrics.records_sealed.inc()
        return seal(cipher, key_id, self._draw(NONCE_BYTES), owner, value, apart=True)

    def _new(self, transaction: Sink, partition: int, owner: bytes) -> tuple[bytes, AESGCM]:
        self._current[owner] = self._drawn(transaction, partition, owner, is_retired=False)
        return self._current[owner]

    def _drawn(self, transaction: Sink, partition: int, owner: bytes, *, is_retired: bool) -> tuple[bytes, AESGCM]:
        key, key_id = self._draw(KEY_BYTES), self._draw(KEY_ID_BYTES)
        wrapped = self._master.wrap(key, topic_key(owner, key_id))
        self._write(transaction, partition, owner, KeyEntry(key_id, wrapped, is_retired))
        return key_id, AESGCM(key)

    def _find(self, partition: int, owner: bytes) -> None:
        if owner not in self._found:
            self._found.update(self._stores[partition].get([owner]))

    def end(self, transaction: Sink, partition: int, owner: bytes, value: bytes) -> bytes:
        """Let the owner's keys end with this record, their `member_erased`; what follows has another.

        Returns what is to stand in the log: the record, and which keys ended with it.
        """
        self._find(partition, owner)
        ended = [entry for entry in self._found[owner] if not entry.is_retired]
        for entry in ended:
            self._write(transaction, partition, owner, entry._replace(is_retired=True))
        self._current.pop(owner, None)
        return with_ending([entry.key_id for entry in ended], value) if ended else value

    def _write(self, transaction: Sink, partition: int, owner: bytes, entry: KeyEntry) -> None:
        value = entry.value
        transaction.produce(MEMBER_KEYS, value, topic_key(owner, entry.key_id), partition=partition)
        self._found[owner] = self._drafts[partition][owner] = changed(self._found[owner], entry.key_id, value)

    @property
    def has_written(self) -> bool:
        """Tell whether the transaction in hand writes keys."""
        return bool(self._drafts)

    def committed(self) -> None:
        """Take note that the transaction is committed."""
        for partition, entries in self._drafts.items():
            self._stores[partition].take(entries)
        self._drafts.clear()
        self._found.clear()

    def close(self) -> None:
        """Close the stores."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
