"""Waits that end by themselves, each after a time of its own: while one lasts, the watchdog takes nothing for stuck.

A takeover waits for what its predecessor has pending: offsets first, then what stands before its fence. That takes as
long as the broker leaves a dead worker's transaction open, and none of it can be seen to move.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class BoundedWaits:
    """The waits of this process, begun and ended by one thread, looked at by another."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until: float | None = None

    @property
    def is_on(self) -> bool:
        """Whether there is one that has time left."""
        until = self._until
        return until is not None and self._monotonic() < until

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Say that what is done within is waited for, for so long at most."""
        self._until = self._monotonic() + seconds
        try:
            yield
        finally:
            self._until = None


waits = BoundedWaits()
