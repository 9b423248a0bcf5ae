"""An event loop on the clock of the simulation: it runs when it is told to, and its time passes with everyone's."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from sinks.senders.hand_over import Claim, HandOver, Outcome
from tests.pipeline.network import Clock

T = TypeVar("T")
PAUSE_SECONDS_MAX = 0.25


class _Nothing:
    """Files that an event loop could wait for: there are none."""

    def select(self, _timeout: float | None) -> Sequence[Any]:
        return ()


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs what is due, and returns."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._world_clock = clock
        self._selector = _Nothing()
        self._clock_resolution = 0.0005  # seconds since the epoch have no finer fractions
        self.set_exception_handler(lambda _loop, _context: None)  # tasks of a process that was killed

    def __del__(self) -> None:
        """Say nothing: a process that dies closes nothing, and here is nothing to be closed."""

    def time(self) -> float:
        """Return the time in seconds."""
        return self._world_clock() / 1000

    def run_due(self) -> None:
        """Run everything that can go on now."""
        while self._ready or (self._scheduled and self._scheduled[0].when() <= self.time()):
            self.call_soon(self.stop)
            self.run_forever()

    def seconds_to_next(self) -> float | None:
        """Tell for how long nothing will happen by itself, None for ever."""
        return self._scheduled[0].when() - self.time() if self._scheduled else None

    def _process_events(self, _events: object) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class VirtualHandOver(HandOver):
    """The real hand-overs on such a loop. `wait` lets time pass for the process, who may be killed meanwhile."""

    clock: Clock
    wait: Callable[[float], None]

    def _begin_loop(self) -> asyncio.AbstractEventLoop:
        self._virtual = VirtualLoop(self.clock)
        return self._virtual

    def _end_loop(self) -> None:
        self._virtual.close()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        task = self._virtual.create_task(coroutine)
        self._virtual.run_due()
        while not task.done():
            self.wait(0.01)
            self._virtual.run_due()
        return task.result()

    def _soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        self._virtual.call_soon(callback, *arguments)

    def start(self, claims: Sequence[Claim]) -> None:
        """Begin handing over."""
        super().start(claims)
        self._virtual.run_due()

    def outcomes(self, timeout_s: float = 0.0) -> list[Outcome]:
        """Take what is finished by now; lets the time pass if there is nothing."""
        self._virtual.run_due()
        found = super().outcomes()
        if not found and timeout_s > 0:
            self.wait(max(timeout_s, min(self._virtual.seconds_to_next() or 0.0, PAUSE_SECONDS_MAX)))
            self._virtual.run_due()
            found = super().outcomes()
        return found

    def abandon(self) -> None:
        """Let go of everything where it stands: the process is dead."""
        for running in list(self._running):
            if running.task is not None:
                running.task.get_coro().close()  # type: ignore[union-attr]
        self._virtual.close()
