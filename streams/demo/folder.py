"""The demo's folder: everything of a run lies in it, and the next run begins with an empty one.

Since it is emptied, it must be the demo's own: a marker file says so, and a folder with other content is refused.
"""

import shutil
from pathlib import Path

from infra import local
from streams.demo.children import stop_leftovers
from streams.errors import RekindleError

_MARKER = ".rekindle-demo"


def prepare(directory: Path) -> None:
    """End what an earlier run left, and empty the folder. Raises `RekindleError` if it holds anything of others'."""
    if directory.exists():
        if not directory.is_dir() or (any(directory.iterdir()) and not (directory / _MARKER).exists()):
            raise RekindleError(f"{directory}: expected an empty folder, or that of an earlier demo, which is emptied")
        stop_leftovers(directory)
        local.down(services(directory))
    try:
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
        (directory / _MARKER).touch()
    except OSError as error:
        raise RekindleError(f"{directory}: cannot be prepared: {error.strerror}") from None


def services(directory: Path) -> Path:
    """Where Kafka, the registry and ClickHouse have their data and logs."""
    return directory / "local"
