"""The clock on the wall, read at the edge only: ingest turns it into ticks, nothing that decides ever sees it."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns milliseconds since the epoch in UTC."""


def wall_clock() -> int:
    """Read the time now, in milliseconds since the epoch in UTC."""
    return time.time_ns() // 1_000_000
