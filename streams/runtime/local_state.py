"""A worker's own folder: its name, its local state, and the lock that keeps a second process out of it.

With `REKINDLE_INSTANCE` the folder is `<data_dir>/<instance>/<stage>`. Without, a worker takes the first free
`<data_dir>/worker-<n>`; a restart takes the same one again, and with it the state and the name under which its
transactions were opened, so that it ends what it left open at once. The kernel releases the lock when a process ends,
however it ends. Nobody else may look into the folder: it holds what is known of members.
"""

import contextlib
import fcntl
import stat
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from streams.errors import RekindleError
from streams.settings import Settings

SLOTS_MAX = 256
PATIENCE_SECONDS = 15.0
PARTITIONS = "partitions"


@dataclass(frozen=True)
class LocalState:
    """The folder of this process. `identity` is unique among all workers and stays the same over restarts."""

    path: Path
    identity: str
    lock: IO[str]

    def remember(self, partitions: Collection[int]) -> None:
        """Note which partitions this process has now: whoever comes after it finds their state here."""
        with contextlib.suppress(OSError):  # it is a hint: without it others may be dealt
            (self.path / PARTITIONS).write_text(" ".join(map(str, partitions)), encoding="ascii")

    def partitions(self) -> Collection[int]:
        """Tell the partitions that were noted last; none if the note is missing or damaged."""
        try:
            noted = (self.path / PARTITIONS).read_text(encoding="ascii").split()
        except (OSError, UnicodeDecodeError):
            return []
        return [int(each) for each in noted if each.isdecimal()]


def claim(settings: Settings, stage: str) -> LocalState:
    """Take a folder for this process. Raises `RekindleError` when it cannot be had or written."""
    try:
        if settings.instance is not None:
            return _claim_named(settings.data_dir / settings.instance / stage, settings.instance)
        for slot in range(SLOTS_MAX):
            path = settings.data_dir / f"worker-{slot}" / stage
            lock = _lock(path)
            if lock is not None:
                return LocalState(path, _identity(path), lock)
    except OSError as error:
        raise RekindleError(
            f"local state cannot be kept in {settings.data_dir}: {error.strerror} (REKINDLE_DATA_DIR says where)"
        ) from error
    raise RekindleError(f"all {SLOTS_MAX} folders of {settings.data_dir} are in use: set REKINDLE_DATA_DIR")


def _claim_named(path: Path, instance: str) -> LocalState:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (lock := _lock(path)) is None:
        if time.monotonic() > deadline:
            raise RekindleError(f"another worker runs as REKINDLE_INSTANCE={instance}: give each its own name")
        time.sleep(0.1)
    return LocalState(path, instance, lock)


def _lock(path: Path) -> IO[str] | None:
    path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # one of before may be open to all: members' profiles are in it
        path.chmod(stat.S_IRWXU)
    file = (path / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _identity(path: Path) -> str:
    file = path / "identity"
    if not file.exists():
        temporary = path / "identity.new"
        temporary.write_text(uuid.uuid4().hex, encoding="utf-8")
        temporary.replace(file)
    return file.read_text(encoding="utf-8").strip()
