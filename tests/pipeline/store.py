"""The store of a partition in memory, under the same tests as the one in RocksDB; what a crash leaves is in `Disk`."""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from streams.clock import Clock
from streams.members.record import DUE_BYTES, RESERVED, due_of, index_bound, index_key, split_index_key
from streams.members.store import Changes, PartitionStore
from streams.sealing.key_store import KeyStore


@dataclass
class Files:
    """What one partition's store keeps."""

    members: dict[bytes, bytes] = field(default_factory=dict)
    meta: dict[bytes, bytes] = field(default_factory=dict)
    due: set[bytes] = field(default_factory=set)
    changelog_offset: int | None = None
    is_rebuilding: bool = False


@dataclass
class LedgerFiles:
    """What a sender's copy of one partition's ledger keeps."""

    entries: dict[bytes, bytes] = field(default_factory=dict)
    read_up_to: int = 0


@dataclass
class KeyFiles:
    """What one partition's store of keys keeps."""

    owners: dict[bytes, bytes] = field(default_factory=dict)
    notes: dict[bytes, int] = field(default_factory=dict)


class Disk:
    """The local disk of a process: it outlives the process, and may be lost, or be set back to an earlier day."""

    def __init__(self) -> None:
        self.stores: dict[str, Files] = {}
        self.ledgers: dict[int, LedgerFiles] = {}
        self.keys: dict[int, KeyFiles] = {}

    def open(self, path: Path) -> "MemoryStore":
        """Open a store, made anew if there is none."""
        return MemoryStore(path, self.stores.setdefault(str(path), Files()))

    def open_keys(self, partition: int, clock: Clock, *, active_only: bool) -> "MemoryKeyStore":
        """Open a store of keys, made anew if there is none."""
        files = self.keys.setdefault(partition, KeyFiles())
        return MemoryKeyStore(files, clock, active_only=active_only)

    def copy(self) -> "Disk":
        """Return a copy as of now."""
        return deepcopy(self)


class MemoryKeyStore(KeyStore):
    """The keys of a partition."""

    def __init__(self, files: KeyFiles, clock: Clock, *, active_only: bool = False) -> None:
        self._path = Path("memory")
        self._files = files
        self._clock = clock
        self._active_only = active_only
        self._forget_if_old()

    def _find(self, owners: Sequence[bytes]) -> list[bytes | None]:
        return [self._files.owners.get(owner) for owner in owners]

    def _noted(self, name: bytes) -> int | None:
        return self._files.notes.get(name)

    def _write(self, packed: Mapping[bytes, bytes], notes: Mapping[bytes, int]) -> None:
        for owner, value in packed.items():
            if value:
                self._files.owners[owner] = value
            else:
                self._files.owners.pop(owner, None)
        self._files.notes.update(notes)

    def empty(self) -> None:
        """Forget everything."""
        self._files.owners.clear()
        self._files.notes.clear()

    def compact(self) -> None:
        """Do nothing: what is deleted is gone."""

    def close(self) -> None:
        """Do nothing: what was written is there."""


class MemoryStore(PartitionStore):
    """An open partition."""

    def __init__(self, path: Path, files: Files | None = None) -> None:
        self.path = path
        self.files = files or Files()

    def empty(self) -> None:
        """Forget everything."""
        self.files.__init__()  # type: ignore[misc]

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the records of members, in order."""
        return [self.files.members.get(key) for key in keys]

    def meta(self, key: bytes) -> bytes | None:
        """Return one of the stage's own records."""
        return self.files.meta.get(key)

    def metas(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield those of the stage's own records whose keys begin with `prefix`."""
        yield from sorted(each for each in self.files.meta.items() if each[0].startswith(prefix))

    @property
    def changelog_offset(self) -> int | None:
        """The last changelog record that the store contains."""
        return self.files.changelog_offset

    def write(self, changes: Iterable[tuple[bytes, bytes | None, int | None]], changelog_offset: int) -> None:
        """Apply changes in one step."""
        for key, value, old_due in changes:
            kept = self.files.meta if key.startswith(RESERVED) else self.files.members
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
            if kept is self.files.members:
                self._index(key, old_due, None if value is None else due_of(value))
        self.files.changelog_offset = changelog_offset

    @property
    def is_outdated(self) -> bool:
        """Say no: the log in memory keeps tombstones."""
        return False

    @property
    def is_rebuilding(self) -> bool:
        """Whether there is no index of due times."""
        return self.files.is_rebuilding or self.files.changelog_offset is None

    def begin_rebuild(self) -> None:
        """Begin, or go on behind `changelog_offset`; without one, with nothing."""
        if self.files.changelog_offset is None and self.files.is_rebuilding:
            self.empty()
        self.files.is_rebuilding = True

    def rebuild(self, changes: Changes, changelog_offset: int | None) -> None:
        """Take changes without the index of due times; what comes without an offset may outlive a crash or not."""
        for key, value in changes.items():
            kept = self.files.meta if key.startswith(RESERVED) else self.files.members
            if value is None:
                kept.pop(key, None)
            else:
                kept[key] = value
        if changelog_offset is not None:
            self.files.changelog_offset = changelog_offset

    def end_rebuild(self, changelog_offset: int) -> None:
        """Make the index of due times."""
        self.rebuild({}, changelog_offset)
        self.files.due = self.expected_due()
        self.files.is_rebuilding = False

    def _index(self, key: bytes, old_due: int | None, due: int | None) -> None:
        if old_due is not None:
            self.files.due.discard(index_key(old_due, key))
        if due is not None:
            self.files.due.add(index_key(due, key))

    def due_members(self, until: int) -> Iterator[tuple[int, bytes]]:
        """Yield (due, key) of members due by a time, in that order, as the index stood when the scan began."""
        entries = sorted(self.files.due)
        yield from map(split_index_key, entries[: bisect_left(entries, index_bound(until))])

    def expected_due(self) -> set[bytes]:
        """Return what the due index must hold, by the members."""
        times = {key: due_of(value) for key, value in self.files.members.items()}
        return {index_key(due, key) for key, due in times.items() if due is not None}

    def scanned(self, bound: bytes) -> None:
        """Do nothing: there are no seeks to save."""

    def earliest_due(self, but_for: Container[bytes] = ()) -> int | None:
        """Return the earliest due time in the index, of members other than those `but_for`."""
        return min((due for due, key in map(split_index_key, self.files.due) if key not in but_for), default=None)

    def members(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, record) of every member whose key is greater than `after`, by key, as of now."""
        keys = sorted(self.files.members)
        for key in keys[bisect_right(keys, after) if after else 0 :]:
            yield key, self.files.members[key]

    def flush(self) -> None:
        """Do nothing: what was written is there."""

    def size_bytes(self) -> int:
        """Return the size of the members' records."""
        return sum(len(key) + len(value) - DUE_BYTES for key, value in self.files.members.items())

    def close(self) -> None:
        """Do nothing: what was written is there."""
