"""Goes through a batch of the log, record by record, and lets the engine decide.

What was done stays in memory until it is committed, together with that of other partitions (`part`, `committed`).

An event concerns one member; a tick every member of the partition with a timer due by it, in order of due time, then
key; a new programme every member there is, in order of key. What is too much at once is cut: a tick with many due
members (`streams.members.ticks`), and a programme where there are many (`streams.members.adoption`), stay open while
others go on. A programme waits until nothing is open. While it does, `flush` commits portion by portion and leaves the
input offset at the record in hand; a process that is to end goes no further than that.

A record that the engine cannot handle is put aside with its reason; the member stays as it was, everyone else goes on.
"""

import logging
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.codec import BadRecord, Codec
from streams import metrics
from streams.engine.commands import Command
from streams.engine.events import Event, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.members.adoption import Adoption, Applied
from streams.members.engine import Engine
from streams.members.moves import ADVANCES_MAX, LogPlace, Moves
from streams.members.overlay import RECENT_BYTES_MAX, EngineError, Loaded, Overlay, Step
from streams.members.programmes import Programmes
from streams.members.record import OPEN, PROGRAMME, TICK, after_entry, index_bound
from streams.members.store import PartitionStore
from streams.members.ticks import OPEN_TICKS_MAX, OpenTick, OpenTicks
from streams.runtime.stage import never
from streams.sealing.envelope import APART, ended_keys, own_key
from streams.sealing.key_record import topic_key
from streams.sealing.log_reader import LogReader, Shredded

if TYPE_CHECKING:
    from streams.members.emit import Outgoing

MEMBERS_MAX = 5000
"""Members in memory before what was done to them is committed."""
DUE_MAX = 1000
"""Members to whom a tick or a programme comes before other members' events get their turn."""

logger = logging.getLogger(__name__)


class Effects:
    """What a batch has brought about since the last commit, besides the members' states."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.dead: list[tuple[Any, str, bytes | None]] = []
        self.erased: list[Erased] = []
        self.ended_keys: list[bytes] = []  # as they stand in `member.keys`
        self.meta: dict[bytes, bytes | None] = {}


class Erased(NamedTuple):
    """A member whose state was erased: their clock, and the time of the `member_erased` (both in ms)."""

    key: bytes
    at: int
    occurred_at: int


class Part(NamedTuple):
    """What a transaction takes of one partition: its members, what was brought about, and the next input offset."""

    partition: int
    overlay: Overlay
    effects: Effects
    next_offset: int


Flush = Callable[[Sequence[Part]], None]
"""Commits parts."""


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
        reader: LogReader | None = None,
        recent_max: int = 0,
        recent_bytes_max: int = RECENT_BYTES_MAX,
        due_max: int = DUE_MAX,
        gives_way: Callable[[], bool] = never,
    ) -> None:
        self._partition = partition
        self._gives_way = gives_way
        self._due_max = due_max
        self._store = store
        self._codec = codec
        self._engine = engine
        self._programmes = programmes
        self._reader = reader or LogReader(codec)
        self._flush = flush
        self._overlay = Overlay(store, engine, codec, recent_max, recent_bytes_max)
        self._effects = Effects()
        self._moves = Moves(
            partition,
            codec=codec,
            engine=engine,
            programmes=programmes,
            overlay=self._overlay,
            reader=self._reader,
            put_out=self._put_out,
            do=self._do,
            erased=self._note_erasure,
            end_keys=self._end_keys,
        )
        self._adoption = Adoption(
            partition,
            store,
            codec=codec,
            engine=engine,
            programmes=programmes,
            overlay=self._overlay,
            moves=self._moves,
            do=self._do,
            note=self._note_meta,
            fire_open=self._fire_open,
        )
        self._flushing = 0.0  # seconds of the batch in hand that went into commits
        self._programme_number = int(store.meta(PROGRAMME) or 0)
        self._programme = programmes.get(self._programme_number)
        self._recordless = engine.recordless_types(self._programme)
        self._left_out = self._recordless  # the types of which the batch in hand lacks lists of records
        tick = store.meta(TICK)
        self._tick_at = None if tick is None else int(tick)
        self._open = OpenTicks(store.meta(OPEN))
        self._worked_off: bytes | None = None  # up to where the due index was worked off since the last commit
        self._next_offset = -1  # the position after what was handled
        self._is_pending = False  # something was handled that isn't committed

    @property
    def open_ticks(self) -> int:
        """How many ticks are being worked off."""
        return len(self._open)

    @property
    def is_behind(self) -> bool:
        """Whether anything of what was handled is still worked off: ticks, or the adoption of a programme."""
        return bool(self._open) or bool(self._adoption)

    @property
    def members_in_memory(self) -> int:
        """Of how many members it holds what isn't committed yet."""
        return len(self._overlay)

    def work_off(self, next_offset: int) -> None:
        """Work off a portion of what is open, and commit; `next_offset` is the position in the log."""
        if self.is_behind:
            self._take_portion()
            self._commit(next_offset)

    def decide(self, records: Sequence[Any], end: int) -> int:
        """Handle the records, `end` being the position after them; what is too much at once is committed meanwhile.

        Returns the position after what was handled: before `end` only if this gave way.
        """
        started = time.perf_counter()
        self._left_out = self._recordless
        decoded = self._reader.read(
            self._partition,
            [record.value for record in records],
            [record.key for record in records],
            without_records=self._left_out,
        )
        loading = time.perf_counter()
        self._overlay.load(
            record.key
            for record, item in zip(records, decoded, strict=True)
            if record.key and isinstance(item, Event | StateMoved | StateHandedOver)
        )
        deciding = time.perf_counter()
        self._flushing = 0.0
        if self.is_behind:
            if self._is_pending:
                self._commit(self._next_offset)
            self._take_portion()
            while self._adoption.is_crowded and not self._gives_way():
                self._commit(records[0].offset)
                self._take_portion()
        for record, item in zip(records, decoded, strict=True):
            if isinstance(item, Event):
                self._handle_event(record, item)
            elif isinstance(item, Tick | ProgrammeApplied):
                if not self._handle_for_all(record, item):
                    end = record.offset
                    break
            elif isinstance(item, StateMoved | StateHandedOver):
                self._handle_move(record, item)
            elif not isinstance(item, Shredded):
                self._put_aside(record, item.reason if isinstance(item, BadRecord) else "unknown record")
            if len(self._overlay) > 2 * MEMBERS_MAX:
                self._commit(record.offset + 1)
        self._next_offset, self._is_pending = end, True
        decided = time.perf_counter()
        metrics.step_seconds.labels("members", "decode").observe(loading - started)
        metrics.step_seconds.labels("members", "load").observe(deciding - loading)
        metrics.step_seconds.labels("members", "engine").observe(decided - deciding - self._flushing)
        return end

    def part(self) -> Part:
        """Return what is to be committed."""
        return Part(self._partition, self._overlay, self._effects, self._next_offset)

    def committed(self) -> None:
        """Take note that the part is in the log and in the store."""
        self._overlay.committed()
        self._effects = Effects()
        self._is_pending = False
        if self._open:
            if self._worked_off is not None:
                self._store.scanned(self._worked_off)
        elif self._tick_at is not None:
            self._store.scanned(index_bound(self._tick_at))
        self._worked_off = None

    def _handle_event(self, record: Any, event: Event) -> None:
        programme, tick_at = self._programme, self._tick_at
        member = self._overlay.member(record.key or event.key.encode())
        if self._adoption:
            self._adoption.touch(member)
        if event.type in self._left_out and (
            event.type not in self._recordless or self._engine.needs_records(member.state)
        ):  # its lists of records were left out, and the member, or a programme that is new, looks at them
            (whole,) = self._reader.read(self._partition, [record.value], [record.key])
            assert isinstance(whole, Event)
            event = whole

        if self._open and member.due is not None:
            self._fire_open(member)
        if (member.is_waiting or member.moved_to is not None) and self._moves.detains(member, record, event, tick_at):
            self._settle(member, record)
            return

        def step(state: Any) -> Sequence[Command | Event]:
            return self._engine.handle(programme, state, event, tick_at=tick_at)

        done = self._do(member, record, step)
        if record.value[:2] == APART:  # of before an erasure of the member
            self._end_keys(member, record)
        if done:
            if event.type == "member_erased":
                self._note_erasure(member, record, event)
            self._settle(member, record)
        else:
            metrics.engine_errors.labels(event.type).inc()

    def _handle_move(self, record: Any, item: StateMoved | StateHandedOver) -> None:
        member = self._overlay.member(record.key)
        self._catch_up(member)
        if isinstance(item, StateMoved):
            self._moves.move(member, record, item, programme=self._programme_number, tick_at=self._tick_at)
        else:
            self._moves.arrive(member, record, item, programme=self._programme, tick_at=self._tick_at)
        self._settle(member, record)

    def _settle(self, member: Loaded, record: Any) -> None:
        """Fire what the last tick has due: more than fires at once, or what waited for a state."""
        if self._tick_at is not None and member.due is not None and member.due <= self._tick_at:
            self._fire(member, OpenTick(self._tick_at, wall=False, offset=record.offset))

    def _end_keys(self, member: Loaded, record: Any) -> None:
        """Have the keys destroyed that end with a record."""
        key_ids = *ended_keys(record.value), *own_key(record.value)
        self._effects.ended_keys += [topic_key(member.key, key_id) for key_id in key_ids]

    def _note_erasure(self, member: Loaded, record: Any, said: Event | StateMoved) -> None:
        """Have the keys destroyed that end here, and others told, unless it comes again and the member is back."""
        self._end_keys(member, record)
        at = said.occurred_at
        erased_at = self._engine.erased_at(member.state) if isinstance(said, Event) else at
        if erased_at is not None:
            self._effects.erased.append(Erased(member.key, erased_at, at))

    def _handle_for_all(self, record: Any, item: Tick | ProgrammeApplied) -> bool:
        """Handle what concerns every member; False if it waits for what is open, and this is to give way."""
        if isinstance(item, ProgrammeApplied):  # what was due before is the earlier programme's
            if self._close(record.offset):
                self._handle_programme(record, item)
                return True
        elif len(self._open) < OPEN_TICKS_MAX or self._close(record.offset):
            self._handle_tick(record, item)
            return True
        return False

    def _handle_tick(self, record: Any, tick: Tick) -> None:
        opened = OpenTick(tick.occurred_at, tick.wall, record.offset)
        if self.is_behind:
            self._leave_open(opened)
        else:
            candidates = self._overlay.due(tick.occurred_at)
            chunk = list(islice(candidates, self._due_max))
            self._overlay.load(key for _, key in chunk)
            for _, key in chunk:
                self._fire(self._overlay.member(key), opened)
            metrics.timers_due.inc(len(chunk))
            if next(candidates, None) is not None:
                self._leave_open(opened)
        if self._tick_at is None or tick.occurred_at > self._tick_at:
            self._tick_at = tick.occurred_at
            self._effects.meta[TICK] = b"%d" % tick.occurred_at

    def _leave_open(self, tick: OpenTick) -> None:
        self._open.append(tick)
        self._effects.meta[OPEN] = self._open.encode()

    def _take_portion(self) -> None:
        """Work off a portion of what is open; everything is committed."""
        if self._open:
            self._fire_portion()
        if self._adoption:
            self._adoption.take(self._due_max)

    def _fire_portion(self) -> None:
        """Let the next due members catch up with the open ticks; everything is committed, and memory shows it."""
        chunk = list(islice(self._store.due_members(self._open.until), self._due_max))
        self._overlay.load(key for _, key in chunk)
        for _, key in chunk:
            self._catch_up(self._overlay.member(key))
        metrics.timers_due.inc(len(chunk))
        is_last = len(chunk) < self._due_max
        self._worked_off = index_bound(self._open.until) if is_last else after_entry(*chunk[-1])
        if not self._adoption:  # else who hasn't adopted yet may come to have something due by any of them
            self._open.passed(None if is_last else chunk[-1][0])
            self._effects.meta[OPEN] = self._open.encode()

    def _close(self, next_offset: int) -> bool:
        """Work off what is open to its end, while the log waits; False if this is to give way before."""
        while self.is_behind:
            self._commit(next_offset)
            if self._gives_way():
                return False
            self._take_portion()
        return True

    def _catch_up(self, member: Loaded) -> None:
        """Let a member go through what is open and concerns them."""
        self._adoption.touch(member)
        self._fire_open(member)

    def _fire_open(self, member: Loaded) -> None:
        """Let a member go through the open ticks that fire timers of theirs."""
        while self._open and member.due is not None and member.due <= self._open.until:
            self._fire(member, self._open.first_for(member.due))

    def _fire(self, member: Loaded, tick: OpenTick) -> None:
        """Fire what a tick makes due; afterwards the member has no timer due by it."""
        programme = self._programme

        def step(state: Any) -> Sequence[Command | Event]:
            return self._engine.advance(programme, state, tick.at, wall=tick.wall)

        for _ in range(ADVANCES_MAX):  # the engine fires only so many timers at once
            failure = self._try(member, step)
            if failure is not None or member.due is None or member.due > tick.at:
                break
        else:
            failure = "a timer that is due was not fired"
        metrics.timers_fired.inc()
        if failure is not None:
            value = self._codec.encode(Tick(occurred_at=tick.at, wall=tick.wall))
            self._put_aside(LogPlace(self._partition, tick.offset, None, value), failure, member.key)
            self._overlay.park(member)

    def _handle_programme(self, record: Any, applied: ProgrammeApplied) -> None:
        self._commit(record.offset)  # from here on every member is in the store
        number, before = applied.programme, self._programme_number
        self._adoption.open(Applied(record.offset, number, before, applied.occurred_at, self._tick_at))
        self._programme, self._programme_number = self._programmes.get(number), number
        self._adoption.take(self._due_max)
        self._recordless = self._engine.recordless_types(self._programme)
        self._note_meta(PROGRAMME, b"%d" % number)
        metrics.programme_number.labels(str(self._partition)).set(number)
        logger.info("partition %d: programme %d is in force", self._partition, number)

    def _do(self, member: Loaded, record: Any, step: Step) -> bool:
        """Apply a step for a record, which is put aside if that fails; tells whether it didn't."""
        failure = self._try(member, step)
        if failure is not None:
            self._put_aside(record, failure, member.key)
        return failure is None

    def _try(self, member: Loaded, step: Step) -> str | None:
        """Apply a step; returns why it failed, if it did."""
        try:
            self._effects.records.extend(self._overlay.apply(member, step))
        except EngineError as error:
            logger.debug("the engine failed", exc_info=error)
            return f"the engine failed: {error}"
        return None

    def _note_meta(self, key: bytes, value: bytes | None) -> None:
        self._effects.meta[key] = value

    def _put_out(self, record: "Outgoing") -> None:
        self._effects.records.append(record)

    def _put_aside(self, record: Any, reason: str, key: bytes | None = None) -> None:
        self._effects.dead.append((record, reason, key))

    def _commit(self, next_offset: int) -> None:
        started = time.perf_counter()
        self._next_offset = next_offset
        self._flush([self.part()])
        self._flushing += time.perf_counter() - started
        self.committed()
