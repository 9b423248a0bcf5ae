"""Goes through a batch of the log, record by record, and lets the engine decide.

An event concerns one member; a tick every member of the partition with a timer due by it, in order of due time, then
key; a new programme every member there is. What is too much for one transaction is cut: `flush` commits what was done
so far and leaves the input offset at the record in hand, so that a restart takes that record up again. That is safe:
members whose timers fired are due no more, and a programme remembers the last key it has come to.

A record that the engine cannot handle is put aside with its reason; the member stays as it was, everyone else goes on.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from schemas.codec import BadRecord, Codec
from streams import metrics
from streams.engine.commands import Command
from streams.engine.events import Event, ProgrammeApplied, Tick
from streams.members.engine import Engine
from streams.members.overlay import EngineError, Loaded, Overlay, Step
from streams.members.programmes import Programmes
from streams.members.record import ADOPTING, PROGRAMME, TICK
from streams.members.store import PartitionStore

if TYPE_CHECKING:
    from streams.members.emit import Outgoing

MEMBERS_MAX = 5000
"""Members in memory before what was done to them is committed."""
ADVANCES_MAX = 4
"""How often a tick is handled for a member who still has timers due by it."""

logger = logging.getLogger(__name__)


class Effects:
    """What a batch has brought about since the last commit, besides the members' states."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.dead: list[tuple[Any, str, bytes | None]] = []
        self.meta: dict[bytes, bytes | None] = {}


Flush = Callable[[Overlay, Effects, int], None]
"""Commits members and effects, with the next input offset, and forgets them."""


class MemberStep:
    """The step of one partition over its store."""

    def __init__(
        self,
        partition: int,
        store: PartitionStore,
        *,
        codec: Codec,
        engine: Engine,
        programmes: Programmes,
        flush: Flush,
        recent_max: int = 0,
    ) -> None:
        self._partition = partition
        self._store = store
        self._codec = codec
        self._engine = engine
        self._programmes = programmes
        self._flush = flush
        self._overlay = Overlay(store, engine, codec, recent_max)
        self._effects = Effects()
        self._flushing = 0.0  # seconds of the batch in hand that went into commits
        self._programme = programmes.get(int(store.meta(PROGRAMME) or 0))
        self._recordless = engine.recordless_types(self._programme)
        self._left_out = self._recordless  # the types of which the batch in hand lacks lists of records
        tick = store.meta(TICK)
        self._tick_at = None if tick is None else int(tick)

    def handle(self, records: Sequence[Any], end: int) -> None:
        """Handle the records and commit; `end` is the position after the last one."""
        started = time.perf_counter()
        self._left_out = self._recordless
        decoded = self._codec.decode_log(
            [record.value for record in records], [record.key for record in records], without_records=self._left_out
        )
        loading = time.perf_counter()
        self._overlay.load(
            record.key for record, item in zip(records, decoded, strict=True) if isinstance(item, Event) and record.key
        )
        deciding = time.perf_counter()
        self._flushing = 0.0
        for record, item in zip(records, decoded, strict=True):
            if isinstance(item, Event):
                self._handle_event(record, item)
            elif isinstance(item, Tick):
                self._handle_tick(record, item)
            elif isinstance(item, ProgrammeApplied):
                self._handle_programme(record, item)
            else:
                self._put_aside(record, item.reason if isinstance(item, BadRecord) else "unknown record")
            if len(self._overlay) > 2 * MEMBERS_MAX:
                self._commit(record.offset + 1)
        self._commit(end)
        decided = time.perf_counter()
        metrics.step_seconds.labels("members", "decode").observe(loading - started)
        metrics.step_seconds.labels("members", "load").observe(deciding - loading)
        metrics.step_seconds.labels("members", "engine").observe(decided - deciding - self._flushing)
        if self._tick_at is not None:
            self._store.scanned(self._tick_at)

    def _handle_event(self, record: Any, event: Event) -> None:
        programme, tick_at = self._programme, self._tick_at
        member = self._overlay.member(record.key or event.key.encode())
        if event.type in self._left_out and (
            event.type not in self._recordless or self._engine.needs_records(member.state)
        ):  # its lists of records were left out, and the member, or a programme that is new, looks at them
            (whole,) = self._codec.decode_log([record.value], [record.key])
            assert isinstance(whole, Event)
            event = whole

        def step(state: Any) -> Sequence[Command | Event]:
            return self._engine.handle(programme, state, event, tick_at=tick_at)

        if not self._try(member, step, record):
            metrics.engine_errors.labels(event.type).inc()

    def _handle_tick(self, record: Any, tick: Tick) -> None:
        programme = self._programme

        def step(state: Any) -> Sequence[Command | Event]:
            return self._engine.advance(programme, state, tick.occurred_at, wall=tick.wall)

        candidates = self._overlay.due(tick.occurred_at)
        fired = 0
        while chunk := list(islice(candidates, MEMBERS_MAX)):
            self._overlay.load(key for _, key in chunk)
            for due, key in chunk:
                member = self._overlay.member(key)
                if member.due != due:  # it was changed since, or already fired
                    continue
                fired += 1
                for _ in range(ADVANCES_MAX):  # the engine fires only so many timers at once
                    if not self._try(member, step, record):
                        self._overlay.park(member)
                    if member.due is None or member.due > tick.occurred_at:
                        break
                else:
                    self._put_aside(record, "a timer that is due was not fired", key)
                    self._overlay.park(member)
            metrics.timers_due.inc(len(chunk))
            if len(self._overlay) > MEMBERS_MAX:
                self._commit(record.offset)
        metrics.timers_fired.inc(fired)
        if self._tick_at is None or tick.occurred_at > self._tick_at:
            self._tick_at = tick.occurred_at
            self._effects.meta[TICK] = b"%d" % tick.occurred_at

    def _handle_programme(self, record: Any, applied: ProgrammeApplied) -> None:
        self._commit(record.offset)  # from here on every member is in the store
        before, programme, tick_at = self._programme, self._programmes.get(applied.programme), self._tick_at

        def step(state: Any) -> Sequence[Command | Event]:
            # What was due before is the earlier programme's.
            at = applied.occurred_at
            due = self._engine.advance(before, state, at, wall=False)
            return [*due, *self._engine.adopt(programme, state, at, tick_at=tick_at)]

        members = self._store.members(self._adopted_up_to(record))
        while chunk := list(islice(members, MEMBERS_MAX)):
            self._overlay.load(key for key, _ in chunk)
            for key, _ in chunk:
                self._try(self._overlay.member(key), step, record)
            if len(chunk) == MEMBERS_MAX:
                self._effects.meta[ADOPTING] = b"%d:" % record.offset + chunk[-1][0]
                self._commit(record.offset)
        self._programme = programme
        self._recordless = self._engine.recordless_types(programme)
        self._effects.meta[ADOPTING] = None
        self._effects.meta[PROGRAMME] = b"%d" % applied.programme
        metrics.programme_number.labels(str(self._partition)).set(applied.programme)
        logger.info("partition %d: programme %d is in force", self._partition, applied.programme)

    def _adopted_up_to(self, record: Any) -> bytes:
        """Return the last member that this very record has come to before, empty for none."""
        offset, _, key = (self._store.meta(ADOPTING) or b"").partition(b":")
        return key if offset == b"%d" % record.offset else b""

    def _try(self, member: Loaded, step: Step, record: Any) -> bool:
        """Apply a step; what fails is put aside."""
        try:
            self._effects.records.extend(self._overlay.apply(member, step))
        except EngineError as error:
            logger.debug("the engine failed", exc_info=error)
            self._put_aside(record, f"the engine failed: {error}", member.key)
            return False
        return True

    def _put_aside(self, record: Any, reason: str, key: bytes | None = None) -> None:
        self._effects.dead.append((record, reason, key))

    def _commit(self, next_offset: int) -> None:
        started = time.perf_counter()
        self._flush(self._overlay, self._effects, next_offset)
        self._flushing += time.perf_counter() - started
        self._overlay.committed()
        self._effects = Effects()
