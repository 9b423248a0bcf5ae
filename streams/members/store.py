"""The local state of one partition in RocksDB: members, the index of what is due, and how far it has come.

Three column families: `default` holds the members (`streams.members.record`), `due` one entry per member with a timer,
`meta` what the stage keeps for itself. One WriteBatch changes all three, and the changelog offset that it brings the
store to, so that after a crash they agree. Nothing here is needed to survive: the changelog rebuilds it.

Rebuilt from nothing (`begin_rebuild`, `rebuild`, `end_rebuild`), the store takes the members alone, without RocksDB's
log, and makes the index at the end in one scan: looking up the due time that each record replaces would be two thirds
of the work. A mark says that there is no index yet. The position is written now and then, after what it covers was
flushed; a crash in between costs what came since.

The changelog keeps tombstones for days. A store that was last written before may miss one, and keep what is gone:
`is_outdated` says so.

A damaged file shows when it is opened, or not before a block of it is read. In the latter case the process ends, and
leaves a mark by which the next start begins with an empty store; an iteration that damage cuts short is no shorter one.
"""

import logging
import shutil
import time
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import rocksdict

from streams import metrics
from streams.errors import RekindleError
from streams.members.record import DUE_BYTES, RESERVED, due_of, index_bound, index_key, split_index_key
from streams.members.tune import options

DAMAGED = "damaged"
"""A file of this name beside the database's own says that one of them is damaged."""
FOLLOWED_SECONDS_MAX = 3 * 86_400
"""Less than half of the time for which a changelog keeps tombstones (`tombstones_kept` of its topic)."""
_OFFSET = b"changelog-offset"
_WRITTEN_AT = b"written-at"  # seconds since the epoch
_REBUILDING = b"rebuilding"
_BEHIND_ALL = b"\xff" * (DUE_BYTES + 1)  # behind every entry of the index
INDEX_BATCH = 20_000
COMPACTED_SECONDS = 7 * 86_400
"""A file is rewritten at the latest after this time: until then it may hold a state that was erased."""

logger = logging.getLogger(__name__)
Changes = Mapping[bytes, bytes | None]
"""Keys and their new records, None for deleted."""


class PartitionStore:
    """An open partition. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if (path / DAMAGED).exists():
            logger.warning("local state in %s is damaged: rebuilding it from the changelog", path)
            shutil.rmtree(path)
        try:
            self._open()
        except Exception as error:
            if _is_locked(str(error)):
                raise
            logger.warning("local state in %s cannot be read (%s): rebuilding it from the changelog", path, error)
            shutil.rmtree(path)
            self._open()

    def _open(self) -> None:
        families = {"due": options(), "meta": options()}
        self._db = rocksdict.Rdict(str(self.path), options(), column_families=families)
        self._due = self._db.get_column_family("due")
        self._due_handle = self._db.get_column_family_handle("due")
        self._meta = self._db.get_column_family("meta")
        self._meta_handle = self._db.get_column_family_handle("meta")
        self._db.set_options({"periodic_compaction_seconds": str(COMPACTED_SECONDS)})
        self._unlogged = _without_log()
        self._scan_from = b""  # no entry of the index comes before this
        self._put_since: bytes | None = None  # the first entry that was put into the index since `scanned`

    def empty(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self.path)
        self._open()

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the records of members, in order. Raises `RekindleError` when the database is damaged."""
        with self._noticing_damage():
            found: list[bytes | None] = self._db.get(list(keys)) if keys else []  # type: ignore[assignment]
        return found

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not str(error).startswith("Corruption"):
                raise
            (self.path / DAMAGED).touch()
            raise RekindleError(
                f"local state in {self.path} is damaged ({error}): the next start rebuilds it from the changelog"
            ) from error

    def meta(self, key: bytes) -> bytes | None:
        """Return one of the stage's own records. Raises `RekindleError` when the database is damaged."""
        with self._noticing_damage():
            value: bytes | None = self._meta.get(key)
        return value

    def metas(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield those of the stage's own records whose keys begin with `prefix`. Raises as `meta` does."""
        entries = self._meta.iter(rocksdict.ReadOptions())
        entries.seek(prefix)
        while entries.valid() and entries.key().startswith(prefix):
            yield entries.key(), entries.value()
            entries.next()
        with self._noticing_damage():
            entries.status()

    @property
    def changelog_offset(self) -> int | None:
        """The last changelog record that the store contains."""
        value = self.meta(_OFFSET)
        return None if value is None else int(value)

    @property
    def is_outdated(self) -> bool:
        """Whether it was last written so long ago that tombstones may be gone which it never saw."""
        written_at = self.meta(_WRITTEN_AT)
        return written_at is not None and time.time() - int(written_at) > FOLLOWED_SECONDS_MAX

    def write(self, changes: Iterable[tuple[bytes, bytes | None, int | None]], changelog_offset: int) -> None:
        """Apply changes in one step; each is key, new record and the due time of the record that it replaces."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        for key, value, old_due in changes:
            if key.startswith(RESERVED):
                self._write_meta(batch, key, value)
                continue
            due = None if value is None else due_of(value)
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
            if due == old_due:
                continue
            if old_due is not None:
                batch.delete(index_key(old_due, key), self._due_handle)
            if due is not None:
                entry = index_key(due, key)
                batch.put(entry, b"", self._due_handle)
                self._scan_from = min(self._scan_from, entry)
                if self._put_since is None or entry < self._put_since:
                    self._put_since = entry
        batch.put(_OFFSET, str(changelog_offset).encode(), self._meta_handle)
        batch.put(_WRITTEN_AT, b"%d" % time.time(), self._meta_handle)
        with self._noticing_damage():
            self._db.write(batch)

    def _write_meta(self, batch: Any, key: bytes, value: bytes | None) -> None:
        if value is None:
            batch.delete(key, self._meta_handle)
        else:
            batch.put(key, value, self._meta_handle)

    def apply_changelog(self, changes: Changes, changelog_offset: int) -> None:
        """Bring the store up to a changelog offset."""
        keys = [key for key in changes if not key.startswith(RESERVED)]
        old = {key: None if value is None else due_of(value) for key, value in zip(keys, self.get(keys), strict=True)}
        self.write(((key, value, old.get(key)) for key, value in changes.items()), changelog_offset)

    @property
    def is_rebuilding(self) -> bool:
        """Whether the store is new, or a rebuilding was begun and not ended: there is no index of due times."""
        return self.changelog_offset is None or self.meta(_REBUILDING) is not None

    def begin_rebuild(self) -> None:
        """Begin, or go on behind `changelog_offset` after a crash; without one, with nothing."""
        if self.changelog_offset is None and self.meta(_REBUILDING) is not None:
            self.empty()  # of what was there before the crash, nobody knows how much
        self._meta.put(_REBUILDING, b"")

    def rebuild(self, changes: Changes, changelog_offset: int | None) -> None:
        """Take changes without the index of due times; with an offset, make everything up to it durable."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        put = batch.put
        for key, value in changes.items():
            if key.startswith(RESERVED):
                self._write_meta(batch, key, value)
            elif value is None:
                batch.delete(key)
            else:
                put(key, value)
        with self._noticing_damage():
            self._db.write(batch, self._unlogged)
            if changelog_offset is not None:
                self._db.flush()
                self._meta.flush()
                self._meta.put(_OFFSET, str(changelog_offset).encode())
                self._meta.put(_WRITTEN_AT, b"%d" % time.time())

    def end_rebuild(self, changelog_offset: int) -> None:
        """Make the index of due times, and everything durable."""
        self.rebuild({}, changelog_offset)
        with self._noticing_damage():
            self._due.delete_range(b"", _BEHIND_ALL)  # what a crash in the midst of this left
        members = self.members(b"")
        while chunk := list(islice(members, INDEX_BATCH)):
            batch = rocksdict.WriteBatch(raw_mode=True)
            for key, value in chunk:
                if (due := due_of(value)) is not None:
                    batch.put(index_key(due, key), b"", self._due_handle)
            with self._noticing_damage():
                self._db.write(batch)
            metrics.recovery_steps.inc()
        self._meta.delete(_REBUILDING)

    def due_members(self, until: int) -> Iterator[tuple[int, bytes]]:
        """Yield (due, key) of members due by a time, in that order, as the index stood when the scan began.

        The scan begins where the last one ended: seeking over what was deleted since is what makes scans slow.
        """
        bounded = rocksdict.ReadOptions()
        bounded.set_iterate_upper_bound(index_bound(until))
        entries = self._due.iter(bounded)
        entries.seek(self._scan_from)
        while entries.valid():
            yield split_index_key(entries.key())
            entries.next()
        with self._noticing_damage():
            entries.status()

    def scanned(self, bound: bytes) -> None:
        """Remember that the index has no entry before `bound` any more, but for what was put there since the last."""
        first = bound if self._put_since is None else min(bound, self._put_since)
        self._scan_from = max(self._scan_from, first)
        self._put_since = None

    def earliest_due(self, but_for: Container[bytes] = ()) -> int | None:
        """Return the earliest due time in the index, of members other than those `but_for`.

        What was deleted before the first entry is passed over once: the next look begins at that entry.
        """
        entries = self._due.iter(rocksdict.ReadOptions())
        entries.seek(self._scan_from)
        self._scan_from = entries.key() if entries.valid() else _BEHIND_ALL
        while entries.valid():
            entry = entries.key()
            if entry[DUE_BYTES:] not in but_for:
                return split_index_key(entry)[0]
            entries.next()
        with self._noticing_damage():
            entries.status()
        return None

    def members(self, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (key, record) of every member whose key is greater than `after`, by key, as of now."""
        entries = self._db.iter(rocksdict.ReadOptions())
        entries.seek(after + b"\0" if after else b"")
        while entries.valid():
            yield entries.key(), entries.value()
            entries.next()
        with self._noticing_damage():
            entries.status()

    def size_bytes(self) -> int:
        """Return the estimated size of the members' records, on disk and in memory."""
        parts = ("rocksdb.estimate-live-data-size", "rocksdb.cur-size-all-mem-tables")
        return sum(int(self._db.property_int_value(part) or 0) for part in parts)

    def flush(self) -> None:
        """Write what is in memory into files: of what it replaced, the store's log keeps nothing."""
        self._db.flush()

    def compact(self) -> None:
        """Rewrite the files, without what was replaced or deleted."""
        for family in (self._db, self._due, self._meta):
            family.flush()
            family.compact_range(None, None)

    def close(self) -> None:
        """Flush and close. Every handle is let go, too: one that lives on keeps the database locked."""
        self._due.close()
        self._meta.close()
        del self._due, self._due_handle, self._meta, self._meta_handle
        self._db.close()
        del self._db


def _is_locked(error: str) -> bool:
    """Tell whether another process, or this one, has the database open."""
    return error.startswith("IO error") and ("lock file" in error or "lock hold" in error)


def _without_log() -> Any:
    unlogged: Any = rocksdict.WriteOptions()
    unlogged.disable_wal = True
    return unlogged
