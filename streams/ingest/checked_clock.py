"""The wall clock of a worker, as long as the broker's agrees with it.

Ticks are taken from the worker's clock, and timers fire by ticks: a clock that is a year ahead would fire them all, and
none of it can be taken back. So the time is told only where the broker's clock, which this machine doesn't set, says
the same but for a tolerance:

1. Now and then the broker is asked. Of its answer it is known only that it was stamped between question and answer.
2. Since then the time has passed that the monotonic clock says: what the broker's clock shows now lies between two
   bounds. A wall clock within them, and the tolerance, is right, and so each jump of it is seen when it is next read.
3. One beyond them proves nothing yet: while a machine sleeps, its monotonic clock stands still. The broker is asked
   anew, and a few times, for the machine may sleep right then. Only what it answers ends the worker.

Whoever stops the process alone (SIGSTOP) stops neither clock.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from schemas.values import format_time
from streams import metrics
from streams.clock import Clock, wall_clock
from streams.errors import RekindleError

COMPARE_EVERY_SECONDS = 30.0
ANSWER_SECONDS_MAX = 30.0
QUESTIONS = 3

logger = logging.getLogger(__name__)


class TimeSource(Protocol):
    """What `streams.runtime.broker_time.BrokerTime` does."""

    failure: str | None

    def ask(self) -> None:
        """Send a question, and forget the one before."""

    def answer(self, seconds: float) -> int | None:
        """Wait so long for the time, in milliseconds since the epoch; None while there is no answer."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What the broker answered, and when by the monotonic clock (in seconds) it was asked and had answered."""

    stamp: int
    asked_at: float
    answered_at: float

    def offset(self, now: int, at: float) -> int:
        """Return how far a clock that says `now` is beyond what the broker's may show (ms), 0 if it isn't."""
        earliest = self.stamp + round((at - self.answered_at) * 1000)
        latest = self.stamp + round((at - self.asked_at) * 1000)
        return now - min(max(now, earliest), latest)


class CheckedClock:
    """A `streams.clock.Clock`; telling the time raises `RekindleError` where the clocks disagree."""

    def __init__(
        self,
        broker: TimeSource,
        tolerance_seconds: float,
        *,
        wall: Clock = wall_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._broker = broker
        self._tolerance_ms = round(tolerance_seconds * 1000)
        self._wall = wall
        self._monotonic = monotonic
        self._compared: _Comparison | None = None
        self._asked_at: float | None = None  # since when an answer is awaited

    def __call__(self) -> int:
        """Tell the time, in milliseconds since the epoch in UTC."""
        now, at = self._wall(), self._monotonic()
        if self._compared is not None:
            compared = self._follow(self._compared, now, at)
            if self._agrees(compared, now, at):
                return now
            logger.warning("the clock has jumped, or the machine slept: it is compared with the broker's")
        return self._compare()

    def _agrees(self, compared: _Comparison, now: int, at: float) -> bool:
        return abs(compared.offset(now, at)) <= self._tolerance_ms

    def _follow(self, compared: _Comparison, now: int, at: float) -> _Comparison:
        """Ask now and then, without waiting for the answer; returns the last comparison."""
        if self._asked_at is not None and (stamp := self._broker.answer(0)) is not None:
            compared = self._note(_Comparison(stamp, self._asked_at, at), now, at)
            self._asked_at = None
        elif at - max(compared.answered_at, self._asked_at or 0) >= COMPARE_EVERY_SECONDS:
            self._asked_at = at
            self._broker.ask()
        return compared

    def _note(self, compared: _Comparison, now: int, at: float) -> _Comparison:
        self._compared = compared
        metrics.clock_offset_seconds.set(compared.offset(now, at) / 1000)
        return compared

    def _compare(self) -> int:
        """Ask, wait for the answer, and tell the time if it agrees."""
        self._asked_at = None
        for question in range(1, QUESTIONS + 1):
            asked_at = self._monotonic()
            self._broker.ask()
            stamp = self._broker.answer(ANSWER_SECONDS_MAX)
            if stamp is None:
                raise RekindleError(
                    f"the Kafka broker doesn't say what time it is ({self._broker.failure or 'no answer'}), and "
                    "without that the time of this machine isn't written into the log"
                )
            now, at = self._wall(), self._monotonic()
            compared = self._note(_Comparison(stamp, asked_at, at), now, at)
            if self._agrees(compared, now, at):
                break
            if question == QUESTIONS:
                raise RekindleError(
                    f"the clock of this machine says {format_time(now)}, the Kafka broker's {format_time(stamp)}: they "
                    f"are more than {self._tolerance_ms // 1000} s apart (REKINDLE_CLOCK_TOLERANCE_SECONDS), so no "
                    "tick is written. Have both set by NTP; a start succeeds once they agree (docs/operations.md, "
                    "Clocks that disagree)"
                )
        return now
