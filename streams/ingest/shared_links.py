"""The table of links (`streams.identity`) as the ingest tasks have it: each a copy of its own, kept by one changelog.

An event of partition 3 may ask for a name that an event of partition 5 has linked, so every process has the whole table
in RocksDB and follows the one partition of its changelog: what stands there last is what holds. Whoever changes
something writes it there in the transaction that puts the event into the log, and sees it at once, from memory, until
it comes back. By the wall clock others see it some moments later. Meanwhile they may decide by what was before; what
they put into the log is what counts, and the members stage sends on what came under a key whose state has gone.

Entries, by the first byte of their keys: `n` name → member, time of the link, who had it first if another did;
`k` member → whom it was merged into, when it was erased, which names went on to others; `o` member, zero, name: that it
is the member's; `i` member, zero, id: that it was merged into this one; `s` name: that it has a state of its own.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import KafkaException, TopicPartition

from streams.identity.links import Changes, Known, Link
from streams.kafka import Kafka
from streams.members.changelog import check_partitions_kept
from streams.members.record import FENCE, INGESTED, PARTITIONS, pack, state_of
from streams.members.recover import recover_store, write_fences
from streams.members.store import PartitionStore

FOLLOW_RECORDS = 5_000
FOUND_MAX = 50_000
"""More of what the store has is forgotten before the next batch: of most members it has nothing, and they are many."""
_NOTHING = pack(None, b"")

Entry = tuple[bytes, bytes | None]


class SharedLinks:
    """Implements `streams.identity.links.Links`. One thread at a time."""

    def __init__(
        self, kafka: Kafka, topic: str, path: Path, open_store: Callable[[Path], PartitionStore] = PartitionStore
    ) -> None:
        self._kafka = kafka
        self._topic = topic
        self._path = path
        self._open_store = open_store
        self._store: PartitionStore | None = None
        self._consumer: Any = None
        self._found: dict[bytes, bytes | None] = {}  # what the store has of what was asked for
        self._changed: dict[bytes, bytes | None] = {}  # not committed yet
        self._committed: dict[bytes, tuple[bytes | None, int]] = {}  # not come back yet, with their offsets
        self._commits: deque[tuple[int, Collection[bytes]]] = deque()

    def recover(self, abandoned: Callable[[], bool]) -> int:
        """Bring the copy up to everything that was committed so far; returns the number of records read."""
        if self._store is None:
            self._store = self._open_store(self._path)
        fence = write_fences(self._kafka, self._topic, [0])[0]
        read = recover_store(self._kafka, self._topic, 0, self._store, stage="ingest", fence=fence, abandoned=abandoned)
        for kept in (self._found, self._changed, self._committed, self._commits):
            kept.clear()
        self._leave()
        if not abandoned():
            self._consumer = self._kafka.consumer(f"{self._topic}-follower", {"fetch.wait.max.ms": 100})
            self._consumer.assign([TopicPartition(self._topic, 0, (self._store.changelog_offset or 0) + 1)])
        return read

    def keep_partitions(self, partitions: int) -> None:
        """Prove that the log has as many partitions as ever; how many, the first commit says. Raises `RekindleError`.

        The table doesn't depend on it, but every task has it: nothing gets into the log in another's partition.
        """
        kept = self._open.meta(PARTITIONS)
        check_partitions_kept(self._topic, kept, partitions)
        if kept is None:
            self._changed[PARTITIONS] = b"%d" % partitions

    def has_written(self, partition: int) -> bool:
        """Tell whether something was ever committed of the partition: then its offsets were, too."""
        key = INGESTED + b"%d" % partition
        return key in self._changed or key in self._committed or self._open.meta(key) is not None

    def set_written(self, partition: int) -> None:
        """Say that something is committed of the partition."""
        self._changed[INGESTED + b"%d" % partition] = b"1"

    def follow(self) -> None:
        """Take what has come since."""
        while messages := self._consumer.consume(FOLLOW_RECORDS, 0):
            errors = [error for message in messages if (error := message.error()) is not None]
            if errors:
                raise KafkaException(errors[0])
            changes = {message.key(): message.value() for message in messages}
            changes.pop(FENCE, None)
            offset = int(messages[-1].offset())
            self._open.write(((key, value, None) for key, value in changes.items()), offset)
            self._found.clear()
            while self._commits and self._commits[0][0] <= offset:
                last, keys = self._commits.popleft()
                for key in keys:
                    if self._committed.get(key, (None, last + 1))[1] <= last:
                        del self._committed[key]

    @property
    def _open(self) -> PartitionStore:
        assert self._store is not None, "recovered before"
        return self._store

    # asking

    def prefetch(self, names: Iterable[str], members: Iterable[str]) -> None:
        """Read all at once what will be asked for."""
        if len(self._found) > FOUND_MAX:
            self._found.clear()  # not later: what is found now is asked for next
        wanted = {b"n" + name.encode() for name in names} | {b"k" + member.encode() for member in members}
        missing = [key for key in wanted if key not in self._found]
        self._found.update(zip(missing, self._open.get(missing), strict=True))

    def link(self, name: str) -> Link | None:
        """Return to whom the name belongs."""
        value = self._get(b"n" + name.encode())
        return None if value is None else Link(*_decode(state_of(value)))

    def known(self, member: str) -> Known | None:
        """Return what is known of the member id, None for nothing."""
        value = self._get(b"k" + member.encode())
        return None if value is None else _known(*_decode(state_of(value)))

    def names(self, member: str) -> Collection[str]:
        """Return the names that are linked to the member."""
        return self._under(_pair(b"o", member, ""))

    def merged(self, member: str) -> Collection[str]:
        """Return the member ids that were merged into this one, by the latest step of each."""
        return self._under(_pair(b"i", member, ""))

    def _under(self, prefix: bytes) -> Collection[str]:
        found: set[bytes] = set()
        for key, _ in self._open.members(prefix):
            if not key.startswith(prefix):
                break
            found.add(key)
        since = {key: value for key, (value, _) in self._committed.items()} | self._changed
        for key, value in since.items():
            if key.startswith(prefix):
                (found.discard if value is None else found.add)(key)
        return [key[len(prefix) :].decode() for key in found]

    def _get(self, key: bytes) -> bytes | None:
        if key in self._changed:
            return self._changed[key]
        if key in self._committed:
            return self._committed[key][0]
        if key not in self._found:
            (self._found[key],) = self._open.get([key])
        return self._found[key]

    # changing

    def take(self, changes: Changes) -> None:
        """Change the table; others see it once it is committed."""
        for name, link in changes.links.items():
            before = self.link(name)
            if before is not None and (link is None or link.member != before.member):
                self._changed[_pair(b"o", before.member, name)] = None
            if link is not None and (before is None or link.member != before.member):
                self._changed[_pair(b"o", link.member, name)] = _NOTHING
            self._changed[b"n" + name.encode()] = (
                None if link is None else pack(None, _encode(link if link.heir else link[:2]))
            )
        for member, known in changes.members.items():
            was = self.known(member)
            if was is not None and was.into is not None:
                self._changed[_pair(b"i", was.into, member)] = None
            if known.into is not None:
                self._changed[_pair(b"i", known.into, member)] = _NOTHING
            self._changed[b"k" + member.encode()] = pack(None, _encode(known if known.passed_on else known[:2]))

    def has_state(self, name: str) -> bool:
        """Tell whether something came under the name that nobody was linked to, since `set_state` said otherwise."""
        return self._get(b"s" + name.encode()) is not None

    def set_state(self, name: str, *, has: bool) -> None:
        """Say that the name has a state of its own, or has it no more."""
        if self.has_state(name) != has:
            self._changed[b"s" + name.encode()] = _NOTHING if has else None

    def changes(self) -> list[Entry]:
        """List what is to be written to the changelog, in the transaction of the events that say so."""
        return list(self._changed.items())

    def committed(self, offset: int) -> None:
        """Take note that the changes are in the changelog, the last of them at this offset."""
        self._committed.update((key, (value, offset)) for key, value in self._changed.items())
        self._commits.append((offset, tuple(self._changed)))
        self._changed = {}

    def close(self) -> None:
        """Close the copy and the connection."""
        self._leave()
        if self._store is not None:
            self._store.close()
            self._store = None

    def _leave(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
            self._consumer = None


def _pair(kind: bytes, member: str, other: str) -> bytes:
    return b"%b%b\0%b" % (kind, member.encode(), other.encode())


def _known(into: str | None, erased_at: int | None, passed_on: Sequence[str] = ()) -> Known:
    return Known(into, erased_at, tuple(passed_on))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode  # what is missing at the end, an earlier version had not
