"""Both sides of sealing over a log in memory, without stages: what is committed at once, and read at once."""

import random
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.events import Event
from streams.sealing.envelope import ended_keys
from streams.sealing.key_record import topic_key
from streams.sealing.key_ring import KeyRing
from streams.sealing.key_store import KeyStore
from streams.sealing.log_reader import LogReader
from streams.sealing.master import MasterKeys
from streams.sealing.sealer import Sealer
from streams.topics import MEMBER_EVENTS, MEMBER_KEYS
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network

CODEC = Codec(CommittedSchemas())
PARTITIONS = 2


class Told:
    """A transaction that keeps what is produced until it is committed."""

    def __init__(self) -> None:
        self.records: list[tuple[str, bytes | None, bytes | None, int]] = []

    def produce(self, topic, value, key, *, partition=-1, timestamp=0):
        self.records.append((topic, value, key, partition))


class Sealed:
    """A log with its keys, a sealer and a reader."""

    def __init__(self, folder: Path | None = None, seed: int = 0) -> None:
        self.clock = Clock(1_700_000_000_000)
        self.log = Log(self.clock)
        for topic in (MEMBER_EVENTS, MEMBER_KEYS):
            self.log.create_topic(topic, PARTITIONS)
        self.kafka = MemoryKafka(Network(self.log, self.clock))
        self.draw = random.Random(seed).randbytes
        self.master = MasterKeys([b"m" * 32], self.draw)
        self.folder = folder
        self.disks: dict[str, dict] = {"sealer": {}, "ring": {}}
        self.restart_sealer()
        self.restart_reader()

    def _open(self, side: str, partition: int) -> KeyStore:
        from tests.pipeline.store import KeyFiles, MemoryKeyStore

        active_only = side == "sealer"
        if self.folder is not None:
            return KeyStore(self.folder / side / str(partition), self.clock, active_only=active_only)
        files = self.disks[side].setdefault(partition, KeyFiles())
        return MemoryKeyStore(files, self.clock, active_only=active_only)

    def restart_sealer(self) -> None:
        if hasattr(self, "sealer"):
            self.sealer.close()
        self.sealer = Sealer(self.kafka, self.master, lambda number: self._open("sealer", number), self.draw)
        self.sealer.start()
        self.sealer.recover(range(PARTITIONS), lambda: False)

    def restart_reader(self) -> None:
        if hasattr(self, "ring"):
            self.ring.close()
        self.ring = KeyRing(self.kafka, self.master, lambda number: self._open("ring", number))
        self.reader = LogReader(CODEC, self.ring)

    def close(self) -> None:
        self.sealer.close()
        self.ring.close()

    def transact(self, *steps, commit=True):
        """Seal (owner, value), or end (owner, None), in one transaction; returns what stands in the log."""
        told, sealed = Told(), []
        self.sealer.begin()
        for owner, what in steps:
            partition = owner[-1] % PARTITIONS
            if what is None:
                sealed.append(self.sealer.end(told, partition, owner, CODEC.encode(erasure(owner))))
            else:
                sealed.append(self.sealer.seal(told, partition, owner, what))
        if commit:
            for topic, value, key, partition in told.records:
                self.log.append((topic, partition), [(key, value, self.clock())])
            self.sealer.committed()
        return sealed

    def destroy(self, owner: bytes, ending: bytes) -> int:
        """What the members stage does when it handles an erasure; returns how many keys that took."""
        keys = [topic_key(owner, key_id) for key_id in ended_keys(ending)]
        self.log.append((MEMBER_KEYS, owner[-1] % PARTITIONS), [(key, None, self.clock()) for key in keys])
        return len(keys)

    def read(self, owner: bytes, *values: bytes):
        return self.reader.read(owner[-1] % PARTITIONS, values, [owner] * len(values))


def erasure(owner: bytes) -> Event:
    name = owner.decode()
    return Event(event_id="e", type="member_erased", occurred_at=5, source="test", key=name, member_id=name)


def event(owner: bytes, number: int = 0, **body) -> Event:
    name = owner.decode()
    return Event(
        event_id=f"{name}-{number}",
        type="feedback_received",
        occurred_at=1_700_000_000_000 + number,
        source="test",
        key=name,
        member_id=name,
        body={"text": f"secret of {name}", **body},
    )
