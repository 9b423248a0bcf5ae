"""What sealing costs per personal event: microseconds of processor time at ingest, and where the log is read.

Registrations, two of each of 50,000 members, in batches of 5,000: the first draws the key, the second finds it in the
store. Then they are read, sealed and plain by turns, with every key still to be found; and those of 5,000 members whose
keys are at hand.
Without Kafka: what a transaction is given is thrown away.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.events import Event
from streams.sealing.key_ring import KeyRing
from streams.sealing.key_store import KeyStore
from streams.sealing.log_reader import LogReader
from streams.sealing.master import MASTER_BYTES, MasterKeys
from streams.sealing.sealer import Sealer

MEMBERS = 50_000
BATCH = 5_000
TURNS = 5


class Thrown:
    """A transaction whose records go nowhere."""

    def __init__(self) -> None:
        self.keys: dict[bytes, bytes | None] = {}

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, *, partition: int = -1, timestamp: int = 0
    ) -> None:
        """Keep the keys only."""
        del topic, partition, timestamp
        self.keys[key or b""] = value


class Ring(KeyRing):
    """A ring whose store is there, and to which nothing is added."""

    def __init__(self, master: MasterKeys, store: KeyStore) -> None:
        super().__init__(None, master, lambda _: store)  # type: ignore[arg-type]
        self._stores[0] = store

    def follow(self, partitions: Collection[int], abandoned: Callable[[], bool] = lambda: False) -> None:
        """Do nothing."""

    def drain(self) -> None:
        """Do nothing."""


class Ready(Sealer):
    """A sealer whose store is there."""

    def __init__(self, master: MasterKeys, store: KeyStore) -> None:
        super().__init__(None, master, lambda _: store)  # type: ignore[arg-type]
        self._stores[0] = store


def registration(codec: Codec, number: int, which: int) -> tuple[bytes, bytes]:
    """Key and bytes of a registration as they usually are."""
    member = f"member-{number:07}"
    body = {
        "first_name": "Anna",
        "last_name": f"Petrova{number}",
        "phone": f"+7916{number:07}",
        "email": f"anna.petrova{number}@example.com",
        "city": "Moscow",
        "address": "Tverskaya 1, 125009 Moscow",
        "attributes": {"favourite_category": "coffee"},
    }
    event = Event(
        event_id=f"{member}/{which}",
        type="registration_completed",
        occurred_at=1_700_000_000_000 + number,
        source="crm",
        key=member,
        member_id=member,
        body=body,
    )
    return member.encode(), codec.encode(event)


def seal_all(sealer: Sealer, records: Sequence[tuple[bytes, bytes]]) -> tuple[float, list[bytes]]:
    """Microseconds per event, and what came out."""
    sealed: list[bytes] = []
    began = time.process_time()
    for batch in batches(records):
        sealer.begin()
        sealer.prepare(0, [key for key, _ in batch])
        transaction = Thrown()
        sealed += [sealer.seal(transaction, 0, key, value) for key, value in batch]
        sealer.committed()
    return (time.process_time() - began) / len(records) * 1e6, sealed


def read_all(reader: LogReader, keys: Sequence[bytes], values: Sequence[bytes]) -> float:
    """Microseconds per event."""
    began = time.process_time()
    for batch in batches(list(zip(keys, values, strict=True))):
        found = reader.read(0, [value for _, value in batch], [key for key, _ in batch])
        assert isinstance(found[0], Event)
    return (time.process_time() - began) / len(keys) * 1e6


def batches(records: Sequence[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    """Batches as the stages have them."""
    for start in range(0, len(records), BATCH):
        yield records[start : start + BATCH]


def main() -> None:
    """Print the figures as JSON."""
    codec = Codec(CommittedSchemas())
    master = MasterKeys([os.urandom(MASTER_BYTES)])
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = KeyStore(Path(folder) / "keys")
        sealer = Ready(master, store)
        firsts = [registration(codec, number, 1) for number in range(MEMBERS)]
        seconds = [registration(codec, number, 2) for number in range(MEMBERS)]
        figures["seal, first of a member"], _ = seal_all(sealer, firsts)
        figures["seal, key to be found"], sealed = seal_all(sealer, seconds)
        few = [each for _ in range(MEMBERS // BATCH) for each in firsts[:BATCH]]
        figures["seal, key at hand"], known = seal_all(sealer, few)
        figures["bytes of a key in the store, on disk and in memory"] = size(store) / MEMBERS
        reader = LogReader(codec, Ring(master, store))
        keys = [key for key, _ in seconds]
        plain, found, at_hand = [], [], []
        for _ in range(TURNS):
            found.append(read_all(reader, keys, sealed))
            plain.append(read_all(reader, keys, [value for _, value in seconds]))
            at_hand.append(read_all(reader, [key for key, _ in few], known))
        figures["read, plain"] = min(plain)
        figures["read, sealed, key to be found"] = min(found)
        figures["read, sealed, key at hand"] = min(at_hand)
        store.close()
    print(json.dumps({"sealing, microseconds per event": {name: round(value, 2) for name, value in figures.items()}}))


def size(store: KeyStore) -> float:
    """Bytes that the store takes."""
    store.compact()
    return float(store.size_bytes())


if __name__ == "__main__":
    main()
