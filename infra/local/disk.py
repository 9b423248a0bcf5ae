"""Disk space, asked for before it is needed: a full disk ends in one sentence instead of a broken service."""

import shutil
from pathlib import Path

from streams.errors import RekindleError


def require_space(directory: Path, needed_bytes: int) -> None:
    """Raise `RekindleError` unless the disk that holds `directory` (it may not exist yet) has so much left."""
    existing = directory.absolute()
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed_bytes:
        raise RekindleError(
            f"no disk space: {directory} needs {needed_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB are free"
        )
