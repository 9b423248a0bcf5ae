"""Hand dispatches over to the gateway, several at a time, and come back with an outcome for each.

Runs in an asyncio loop on a thread of its own; the worker's thread starts hand-overs and collects outcomes. Dispatches
of one member go one after the other, in their order. What the gateway doesn't take now:

- `Unavailable` is tried again, with growing pauses, for as long as it lasts, or until the dispatch's `not_after`: an
  outage must not fail a mailing.
- `TryLater` comes back as put off (`sinks.senders.put_off`), and what is to follow it to the member is given back.

Before every attempt `not_after` is checked again, and whether the claims can still be ours: a process that stood still
for long may have lost their partitions to another, and then it hears of that first (`beat`). What was to be given back
while the gateway had it is not tried a second time.
"""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import stamina

from sinks.senders.gateway import Gateway, GatewayError, InDoubt, Rejected, TryLater, Unavailable
from sinks.senders.mask import mask
from sinks.senders.statuses import FAILED, SENT
from streams import metrics
from streams.consent.links import Links, LinksNotSetUpError
from streams.engine.commands import Dispatch

WAIT_INITIAL_S = 0.2
WAIT_MAX_S = 30.0
CLOSE_S = 5.0
OWNED_S = 5.0
"""For so long after it was asked for, a partition is ours: a session of 10 s, less than a heartbeat every 3."""
HEARD_S = 1.0
"""After a longer pause it is heard by then that a partition is lost."""

log = logging.getLogger(__name__)


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Claim:
    """A dispatch that this process may hand over, and where it stands in the topic."""

    partition: int
    offset: int
    dispatch: Dispatch

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claim: the statuses to report, in order, each with its reason; none if it was given back.

    `at` is the sender's time, in milliseconds since the epoch. `put_off` is why the gateway takes it later only.
    """

    claim: Claim
    statuses: tuple[tuple[str, str | None], ...]
    at: int
    put_off: str | None = None

    @property
    def given_back(self) -> bool:
        """Whether the gateway hasn't it, and may still be given it."""
        return not self.statuses


@dataclass(slots=True, eq=False)
class _Running:
    claim: Claim
    previous: asyncio.Event | None
    put_off: str | None = None
    at_gateway: bool = False
    is_last_attempt: bool = False
    done: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class HandOver:
    """The hand-overs in flight. `now` tells the sender's time for a dispatch, in milliseconds since the epoch.

    `repeat_in_doubt` says what becomes of a dispatch of which nobody knows whether the gateway has it: handed over
    again, or message_failed with the reason in_doubt. Raises what the gateway raises when it is opened.
    """

    def __init__(
        self,
        gateway: Gateway,
        now: Callable[[Dispatch], int],
        *,
        concurrency: int,
        repeat_in_doubt: bool,
        links: Links | None = None,
    ) -> None:
        self._gateway = gateway
        self._now = now
        self._repeat_in_doubt = repeat_in_doubt
        self._links = links
        self._outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        self._running: dict[_Running, None] = {}  # a record can come again while its first is at the gateway
        self._last_of_member: dict[str, _Running] = {}
        self._put_off: dict[str, Claim] = {}  # by member: what is tried again before anything else of theirs
        self._repeated = 0
        self._slots = asyncio.Semaphore(concurrency)
        self._loop = self._begin_loop()
        self._asked_at = self._held_until = self._loop.time()
        self._call(gateway.open())

    def start(self, claims: Sequence[Claim]) -> None:
        """Begin handing over, in this order."""
        self._soon(self._start, claims)

    def beat(self, asked_at: float) -> None:
        """Take note that since this moment (monotonic, in seconds) the group was asked whose the partitions are."""
        if asked_at - self._asked_at > OWNED_S:
            self._held_until = asked_at + HEARD_S
        self._asked_at = asked_at

    def outcomes(self, timeout_s: float = 0.0) -> list[Outcome]:
        """Take what is finished by now; waits up to `timeout_s` for the first."""
        found: list[Outcome] = []
        try:
            while True:
                wait = timeout_s if not found else 0.0
                found.append(self._outcomes.get(timeout=wait) if wait else self._outcomes.get_nowait())
        except queue.Empty:
            return found

    def repeated_attempts(self) -> int:
        """How many attempts were repetitions since the last call."""
        count, self._repeated = self._repeated, 0
        return count

    def give_back(self, partitions: Collection[int]) -> None:
        """Have every claim of these partitions that is not at the gateway right now come back as given back.

        So does what the gateway has now and doesn't take.
        """
        self._soon(self._give_back, frozenset(partitions))

    def forget(self, claim: Claim) -> None:
        """Let what follows to the member of a claim that was put off go on: it is not started again."""
        self._soon(self._forget, claim)

    def find(self, dispatch_ids: Collection[str]) -> frozenset[str] | None:
        """Ask the gateway which of these it has; None if it cannot tell. Raises `OSError` or `GatewayError`."""
        return self._call(self._gateway.find(dispatch_ids))

    def close(self) -> None:
        """Cancel what is in flight and close the gateway; what is at the gateway then stays in doubt."""
        if self._loop.is_closed():
            return
        self._call(self._close())
        self._end_loop()

    # the loop and its thread: the simulation of the pipeline has a loop of its own in their place

    def _begin_loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=loop.run_forever, name="gateway", daemon=True)
        self._thread.start()
        return loop

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        self._loop.call_soon_threadsafe(callback, *arguments)

    # in the loop

    def _start(self, claims: Sequence[Claim]) -> None:
        for claim in claims:
            if self._put_off.get(claim.dispatch.member_id, claim) is not claim:
                self._outcomes.put(Outcome(claim, (), self._now(claim.dispatch)))
                continue
            self._put_off.pop(claim.dispatch.member_id, None)
            before = self._last_of_member.get(claim.dispatch.member_id)
            running = _Running(claim, before.done if before is not None else None)
            self._running[running] = None
            self._last_of_member[claim.dispatch.member_id] = running
            running.task = self._loop.create_task(self._run(running))

    def _give_back(self, partitions: frozenset[int]) -> None:
        for running in list(self._running):
            if running.claim.partition in partitions:
                running.is_last_attempt = True
                if not running.at_gateway and running.task is not None:
                    running.task.cancel()

        self._put_off = {name: each for name, each in self._put_off.items() if each.partition not in partitions}

    def _forget(self, claim: Claim) -> None:
        if self._put_off.get(claim.dispatch.member_id) is claim:
            del self._put_off[claim.dispatch.member_id]

    async def _close(self) -> None:
        tasks = [running.task for running in self._running if running.task is not None]
        deadline = self._loop.time() + CLOSE_S
        while tasks and self._loop.time() < deadline:
            for task in tasks:
                task.cancel()  # once may not do: asyncio.wait_for, before Python 3.12, can lose a cancellation
            _, pending = await asyncio.wait(tasks, timeout=0.1)
            tasks = list(pending)
        await self._gateway.close()

    async def _run(self, running: _Running) -> None:
        dispatch = running.claim.dispatch
        try:
            if running.previous is not None:
                await running.previous.wait()
            self._finish(running, () if dispatch.member_id in self._put_off else await self._try(running))
        except asyncio.CancelledError:
            if not running.at_gateway:  # else it is in doubt, and stays claimed
                self._finish(running, ())
        finally:
            running.done.set()
            del self._running[running]
            if self._last_of_member.get(dispatch.member_id) is running:
                del self._last_of_member[dispatch.member_id]

    def _finish(self, running: _Running, statuses: tuple[tuple[str, str | None], ...]) -> None:
        claim = running.claim
        self._outcomes.put(Outcome(claim, statuses, self._now(claim.dispatch), put_off=running.put_off))

    async def _try(self, running: _Running) -> tuple[tuple[str, str | None], ...]:
        dispatch = running.claim.dispatch
        try:
            async for attempt in stamina.retry_context(
                on=lambda error: self._worth_repeating(running, error),
                attempts=None,
                timeout=None,
                wait_initial=WAIT_INITIAL_S,
                wait_max=WAIT_MAX_S,
            ):
                with attempt:
                    self._repeated += attempt.num > 1
                    async with self._slots:
                        while not self._is_ours():  # noqa: ASYNC110 - it becomes so by the time, and by another thread
                            await asyncio.sleep(WAIT_INITIAL_S)
                        if dispatch.not_after is not None and self._now(dispatch) > dispatch.not_after:
                            return ((FAILED, "too_late"),)
                        known = await self._attempt(running)
                    return ((SENT, None), *((kind, None) for kind in known))
        except GatewayError as error:
            if running.is_last_attempt and (self._is_passing(error) or isinstance(error, TryLater)):
                return ()
            if isinstance(error, TryLater):
                self._count_as_put_off(dispatch, error)
                self._put_off[dispatch.member_id], running.put_off = running.claim, error.reason
                return ()
            log.info("%s to %s: %s", dispatch.dispatch_id, mask(dispatch.to), error)
            return ((FAILED, error.reason),)
        except Exception:
            log.exception("%s: the gateway failed in a way that it doesn't declare", dispatch.dispatch_id)
            return ((FAILED, "gateway_error"),)
        raise AssertionError  # retry_context ends by return or by raising

    async def _attempt(self, running: _Running) -> Sequence[str]:
        """One call of the gateway. `at_gateway` stays set when the call is cancelled: then the dispatch is in doubt."""
        dispatch = running.claim.dispatch
        try:
            filled = dispatch if self._links is None else self._links.fill(dispatch)
        except LinksNotSetUpError as error:
            raise Rejected("links_not_set_up") from error
        running.at_gateway = True
        try:
            with metrics.sender_gateway_seconds.labels(dispatch.channel).time():
                known = await self._gateway.hand_over(filled)
        except Exception:
            running.at_gateway = False
            raise
        running.at_gateway = False
        return known

    def _is_ours(self) -> bool:
        now = self._loop.time()
        return now >= self._held_until and now - self._asked_at <= OWNED_S

    def _is_passing(self, error: Exception) -> bool:
        return isinstance(error, Unavailable) or (isinstance(error, InDoubt) and self._repeat_in_doubt)

    def _worth_repeating(self, running: _Running, error: Exception) -> bool:
        if running.is_last_attempt or not self._is_passing(error):
            return False
        self._count_as_put_off(running.claim.dispatch, error)
        return True

    @staticmethod
    def _count_as_put_off(dispatch: Dispatch, error: Exception) -> None:
        metrics.sender_retries.labels(dispatch.channel).inc()
        log.warning("%s to %s: %s, trying again soon", dispatch.dispatch_id, mask(dispatch.to), error)
