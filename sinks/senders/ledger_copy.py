"""A sender's local copy of its ledger: one RocksDB per partition, in a folder that no other process uses."""

import fcntl
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch

from streams.errors import RekindleError
from streams.settings import Settings

_READ_UP_TO = b"\0read_up_to"  # ids of dispatches never begin with a zero byte
_SLOTS_MAX = 64
_CACHE_BYTES = 8 << 20


class LedgerCopy:
    """The entries of one partition, as far as they were read. `kept_seconds` is for how long at least."""

    def __init__(self, path: Path, kept_seconds: int) -> None:
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(4 << 20)
        options.set_max_open_files(64)
        blocks = BlockBasedOptions()
        blocks.set_block_cache(Cache(_CACHE_BYTES))
        blocks.set_bloom_filter(10, block_based=False)
        options.set_block_based_table_factory(blocks)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = Rdict(str(path), options=options, access_type=AccessType.with_ttl(kept_seconds))
        except Exception as error:
            raise RekindleError(f"the sender's ledger {path} cannot be opened: {error}") from error

    def read_up_to(self) -> int:
        """Return the offset of the topic up to which the copy is complete."""
        return int(self._database.get(_READ_UP_TO) or 0)

    def states(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the state of each key, None for one that has none."""
        wanted: Any = list(keys)
        found: Any = self._database.get(wanted) if wanted else []
        return list(found)

    def write(self, entries: Mapping[bytes, bytes | None], read_up_to: int) -> None:
        """Take entries over in one step, None for one that is deleted."""
        batch = WriteBatch(raw_mode=True)
        for key, state in entries.items():
            if state is None:
                batch.delete(key)
            else:
                batch.put(key, state)
        batch.put(_READ_UP_TO, str(read_up_to).encode())
        self._database.write(batch)

    def close(self) -> None:
        """Flush and close."""
        self._database.close()


class LedgerFolder:
    """The copies of one process: its folder is locked, and what belongs to a topic of another id is thrown away."""

    def __init__(self, settings: Settings, channel: str, topic_id: str, kept_seconds: int) -> None:
        self._kept_seconds = kept_seconds
        self._slot = _Slot(settings.data_dir / "senders" / channel, settings.instance or "sender")
        self._directory = self._slot.directory / topic_id
        for other in self._slot.directory.iterdir():
            if other.is_dir() and other.name != topic_id:
                shutil.rmtree(other)

    def open(self, partition: int) -> LedgerCopy:
        """Open the copy of a partition. Raises `RekindleError`."""
        return LedgerCopy(self._directory / str(partition), self._kept_seconds)

    def close(self) -> None:
        """Let go of the folder."""
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
