"""What lies between a client and the log in memory. This one is calm; the simulation's kills, delays and loses."""

from collections.abc import Callable
from typing import TypeVar

from tests.pipeline.log import Log

T = TypeVar("T")


class Lost(Exception):  # noqa: N818 - what happened to a request or its answer
    """No answer came in time: the broker may have done what was asked, or not."""


class Clock:
    """Virtual time: it passes while someone waits."""

    def __init__(self, now_ms: int = 0) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Network:
    """One process's connection."""

    batch_records = 100
    """After how many records a producer sends what it has gathered."""

    def __init__(self, log: Log, clock: Clock) -> None:
        self.log = log
        self.clock = clock

    def call(self, request: str, action: Callable[[], T]) -> T:
        """Have the broker do something. Raises `Lost`, and what the action raises."""
        self._age()
        return action()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.now_ms += round(seconds * 1000)
        self._age()

    def _age(self) -> None:
        self.log.expire()
        self.log.write_all_markers()

    def silent_since(self) -> int | None:
        """Tell since when the process has been unable to send heartbeats (ms), None while it can."""
        return None
