"""The keys of one partition in RocksDB: owner → all generations of theirs that are not destroyed.

Fifty million keys don't fit into memory, and are asked for at random, one per member and batch: a store like that of
the members, with the same bounded cache (`streams.members.tune`). It holds what `member.keys` says up to an offset and
is rebuilt from there; keys stand in it wrapped, as in the topic.

A tombstone is kept in a compacted topic for a while only (`delete.retention.ms`, seven days as declared). A store that
wasn't followed for longer than `FOLLOWED_MS` may have missed one: it would keep a key that was destroyed, or seal with
it. So it notes when it was last up to date, and one that is too old is thrown away.

What RocksDB has deleted stands in its files until they are compacted. That happens at the latest after
`COMPACTED_SECONDS`; a key in there is wrapped still.
"""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import rocksdict

from streams.clock import Clock, wall_clock
from streams.errors import RekindleError
from streams.members.tune import options
from streams.sealing.key_record import KeyEntry, changed, owner_and_id, pack, unpack

FOLLOWED_MS = 86_400_000
NOTED_EVERY_MS = 600_000
COMPACTED_SECONDS = 86_400
_OFFSET = b"offset"
_AT = b"at"

logger = logging.getLogger(__name__)


class KeyStore:
    """An open partition. One thread at a time."""

    def __init__(self, path: Path, clock: Clock = wall_clock, *, active_only: bool = False) -> None:
        """Open or make it. One that is damaged, or wasn't followed for too long, is made anew.

        `active_only`: it keeps no retired keys; who seals doesn't need them.
        """
        self._path = path
        self._active_only = active_only
        self._clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except Exception as error:
            if "lock" in str(error):
                raise RekindleError(f"another process has the keys in {path} open") from error
            logger.warning("keys in %s cannot be read (%s): reading them anew", path, error)
            shutil.rmtree(path)
            self._open()
        self._forget_if_old()

    def _open(self) -> None:
        self._db = rocksdict.Rdict(str(self._path), options(), column_families={"meta": options()})
        self._db.set_options({"periodic_compaction_seconds": str(COMPACTED_SECONDS)})
        self._meta = self._db.get_column_family("meta")
        self._meta_handle = self._db.get_column_family_handle("meta")

    def _forget_if_old(self) -> None:
        followed_at = self._noted(_AT)
        if followed_at is not None and self._clock() - followed_at > FOLLOWED_MS:
            logger.info("the keys in %s were last up to date more than a day ago: reading them anew", self._path)
            self.empty()
        self._noted_at = self._noted(_AT) or 0

    # what differs in memory

    def _find(self, owners: Sequence[bytes]) -> list[bytes | None]:
        wanted: Any = list(owners)
        found: Any = self._db.get(wanted) if wanted else []
        return list(found)

    def _noted(self, name: bytes) -> int | None:
        value: Any = self._meta.get(name)
        return None if value is None else int(value)

    def _write(self, packed: Mapping[bytes, bytes], notes: Mapping[bytes, int]) -> None:
        batch = rocksdict.WriteBatch(raw_mode=True)
        for owner, value in packed.items():
            if value:
                batch.put(owner, value)
            else:
                batch.delete(owner)
        for name, number in notes.items():
            batch.put(name, b"%d" % number, self._meta_handle)
        self._db.write(batch)

    def empty(self) -> None:
        """Forget everything."""
        self.close()
        shutil.rmtree(self._path)
        self._open()

    def compact(self) -> None:
        """Rewrite the files, without what was deleted."""
        self._db.flush()
        self._db.compact_range(None, None)

    def size_bytes(self) -> int:
        """Return the size of the files, after a compaction."""
        return int(self._db.property_int_value("rocksdb.total-sst-files-size") or 0)

    def close(self) -> None:
        """Flush and close."""
        self._meta.close()
        del self._meta, self._meta_handle
        self._db.close()
        del self._db

    # what doesn't

    def get(self, owners: Iterable[bytes]) -> dict[bytes, tuple[KeyEntry, ...]]:
        """Return the generations of each owner, oldest first."""
        wanted = list(dict.fromkeys(owners))
        return {owner: unpack(stored) for owner, stored in zip(wanted, self._find(wanted), strict=True)}

    @property
    def changelog_offset(self) -> int | None:
        """The last offset of `member.keys` that the store contains, None when it is new."""
        return self._noted(_OFFSET)

    is_rebuilding = False
    """It is put together step by step, also from nothing: most owners have one record."""

    def begin_rebuild(self) -> None:
        """Never asked for."""

    def rebuild(self, changes: Mapping[bytes, bytes | None], changelog_offset: int | None) -> None:
        """Never asked for; what it would do is what `apply_changelog` does."""
        self.apply_changelog(changes, changelog_offset)

    def end_rebuild(self, changelog_offset: int) -> None:
        """Never asked for."""

    def take(self, entries: Mapping[bytes, tuple[KeyEntry, ...]]) -> None:
        """Write generations by owner. They stand in the topic, too, and will be read again, which changes nothing."""
        self._write({owner: pack(self._kept(each)) for owner, each in entries.items()}, {})

    def apply_changelog(self, changes: Mapping[bytes, bytes | None], changelog_offset: int | None) -> None:
        """Apply records by their Kafka key; with an offset, everything up to it is contained now.

        Raises `RekindleError` for what no release up to this one wrote.
        """
        entries = self.get(owner_and_id(key)[0] for key in changes)
        for key, value in changes.items():
            owner, key_id = owner_and_id(key)
            entries[owner] = self._kept(changed(entries[owner], key_id, value))
        notes = {} if changelog_offset is None else {_OFFSET: changelog_offset, _AT: self._clock()}
        self._noted_at = notes.get(_AT, self._noted_at)
        self._write({owner: pack(each) for owner, each in entries.items()}, notes)

    def _kept(self, entries: tuple[KeyEntry, ...]) -> tuple[KeyEntry, ...]:
        return tuple(each for each in entries if not each.is_retired) if self._active_only else entries

    @property
    def is_outdated(self) -> bool:
        """Whether it may have missed tombstones: never, for such a one is made anew when it is opened."""
        return False

    def is_up_to_date(self) -> None:
        """Note that nothing is missing as of now; costs something every ten minutes."""
        now = self._clock()
        if now - self._noted_at >= NOTED_EVERY_MS:
            self._noted_at = now
            self._write({}, {_AT: now})
