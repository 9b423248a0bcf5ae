"""`services.json`: what runs in a folder, where and since when; the only memory between `up`, `status` and `down`.

It is replaced as a whole (never half written), and changed only under the folder's lock.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.local.processes import Process
from streams.errors import RekindleError

FILE = "services.json"


@dataclass(frozen=True, slots=True)
class Running:
    """One service as it was started."""

    process: Process
    ports: Mapping[str, int]


def read(directory: Path) -> dict[str, Running]:
    """Return the services started there, by name. Raises `RekindleError` when the file isn't one of ours."""
    path = directory / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {name: Running(Process(**row["process"]), row["ports"]) for name, row in rows.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RekindleError(f"{path}: not a list of services that `rekindle local up` wrote ({error})") from error


def write(directory: Path, services: Mapping[str, Running]) -> None:
    """Remember these services; none: forget the file."""
    path = directory / FILE
    if not services:
        path.unlink(missing_ok=True)
        return
    new = path.with_suffix(".new")
    new.write_text(
        json.dumps({name: asdict(running) for name, running in services.items()}, indent=2), encoding="utf-8"
    )
    new.replace(path)


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Only one `up` or `down` at a time works on a folder. Raises `RekindleError` when the folder can't be made."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = os.open(directory / "lock", os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise RekindleError(f"{directory}: cannot be used as a folder for the services: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)
