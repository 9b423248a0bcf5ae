"""The engine over a file in virtual time: no Kafka, no clock, the same decisions as live.

Events are handled in the order of time, and before each of them every member's timers that are due by then, as if
ticks came continuously. `in_order` handles the records as they stand, as a log would: then time passes for a member by
the own events, and for all by the ticks among the records (of their partition, if the records say where they stood).

An exported log brings its ticks and the moment from which the programme was in force; events derived for other members
stand in it already, and so does whose each event is, by its key, and which states become one. In any other input
derived events follow directly, and it is found out here whose an event is (`streams.identity`), in the order in which
events are handled.
"""

import heapq
from collections.abc import Iterable, Iterator

import msgspec

from schemas.json_lines import LogPosition
from streams.engine import step
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.engine.handling import Output
from streams.engine.merging import merge
from streams.engine.state import MemberState, new
from streams.identity.identifiers import Naming
from streams.identity.identify import Identified, identify
from streams.identity.links import LinkTable
from streams.programme.programme import EMPTY, Programme
from streams.simulated_moves import SimulatedMoves

Placed = tuple[LogRecord, LogPosition | None]
"""A record and where it stood in the log, None if it comes from no log."""
_BEFORE, _IN_FORCE = 0, 1  # numbers of the programmes: of the one before it came into force, and the one simulated


def simulate(
    programme: Programme,
    records: Iterable[Placed],
    *,
    until: int,
    start: int | None = None,
    in_order: bool = False,
    secret: bytes = b"",
) -> Iterator[Output]:
    """What follows from the records up to `until` (ms), in order.

    `start` (ms): when the programme comes into force; by default before everything, or where an exported log says so.
    `secret`: what the installation hashes names of people with, for the ids of strangers to be those that it has.
    """
    taken = [placed for placed in records if placed[0].occurred_at <= until]
    if not in_order:
        taken.sort(key=lambda placed: placed[0].occurred_at)
    return _Simulation(programme, taken, until=until, start=start, in_order=in_order, secret=secret).run()


class _Simulation:
    def __init__(
        self,
        programme: Programme,
        records: list[Placed],
        *,
        until: int,
        start: int | None,
        in_order: bool,
        secret: bytes,
    ) -> None:
        self._programme = programme
        self._records = records
        self._until = until
        self._start = start
        self._in_order = in_order
        self._naming = Naming(programme.policies.default_region, secret)
        waits = start is not None or any(isinstance(record, ProgrammeApplied) for record, _ in records)
        self._in_force: dict[int | None, Programme] = {}
        self._first = EMPTY if waits else programme
        self._states: dict[str, MemberState] = {}
        self._partitions: dict[str, int | None] = {}
        self._tick_at: dict[int | None, int] = {}
        self._due: list[tuple[int, str]] = []
        self._links = LinkTable()
        self._moves = SimulatedMoves(self._states, {_BEFORE: self._first, _IN_FORCE: programme}, self._note_due)

    def run(self) -> Iterator[Output]:
        for record, place in self._records:
            partition = None if place is None else place.partition
            if self._start is not None and record.occurred_at >= self._start:
                yield from self._apply(self._start, None)
                self._start = None
            if isinstance(record, Event):
                yield from self._take(record, partition)
            elif isinstance(record, Tick):
                self._tick_at[partition] = max(record.occurred_at, self._tick_at.get(partition, record.occurred_at))
                yield from self._advance(record.occurred_at, partition, wall=record.wall)
            elif isinstance(record, StateMoved | StateHandedOver):
                yield from self._move(record, partition, "" if place is None else place.key or "")
            else:
                yield from self._apply(record.occurred_at, partition)
        if self._start is not None and self._start <= self._until:
            yield from self._apply(self._start, None)
        yield from self._advance(self._until)

    def _take(self, event: Event, partition: int | None) -> Iterator[Output]:
        if partition is None:
            found = self._identify(event)
            yield from self._merge(found.merges, event)
            event = _of(event, found.key)
        elif (output := self._moves.event(event, self._tick_at.get(partition))) is not None:
            yield from self._settle(event.key, partition, output)
            return
        if not self._in_order:
            yield from self._advance(event.occurred_at)
        yield from self._handle(event, partition)

    def _move(self, item: StateMoved | StateHandedOver, partition: int | None, key: str) -> Iterator[Output]:
        """Do what an exported log says of states that become one."""
        self._partitions.setdefault(key, partition)
        programme = self._in_force.get(partition, self._first)
        number = _IN_FORCE if programme is self._programme else _BEFORE
        output = self._moves.record(key, item, number, programme, self._tick_at.get(partition))
        yield from self._settle(key, partition, output)

    def _settle(self, key: str, partition: int | None, output: Iterable[Output]) -> Iterator[Output]:
        """Go on with what waited for a state: what ticks had due meanwhile fires."""
        yield from _commands(output)
        state, tick_at = self._states.get(key), self._tick_at.get(partition)
        if state is not None and tick_at is not None and not self._moves.waits(key):
            due = state.next_due()
            if due is not None and due <= tick_at:
                programme = self._in_force.get(partition, self._first)
                yield from _commands(step.advance(programme, state, tick_at, wall=False))
            self._note_due(state)

    def _identify(self, event: Event) -> Identified:
        found = identify(self._links, event, self._naming)
        if found.changes is not None:
            self._links.take(found.changes)
        return found

    def _merge(self, merges: Iterable[tuple[str, str]], event: Event) -> Iterator[Output]:
        """Make states one at the moment of the event: what is due before it was still due to each of them alone."""
        for gone, into in merges:
            if gone not in self._states:
                continue
            if not self._in_order:
                yield from self._advance(event.occurred_at - 1)
            programme = self._in_force.get(None, self._first)
            other, state = self._states.pop(gone), self._state(into, None)
            output = merge(
                programme,
                state,
                other,
                event.occurred_at,
                historical=event.historical,
                tick_at=self._tick_at.get(None),
            )
            self._note_due(state)
            yield from _commands(output)

    def _state(self, key: str, partition: int | None) -> MemberState:
        state = self._states.get(key)
        if state is None:
            state = self._states[key] = new(key)
            self._partitions[key] = partition
        return state

    def _handle(self, event: Event, partition: int | None) -> Iterator[Output]:
        state = self._state(event.key, partition)
        programme = self._in_force.get(partition, self._first)
        output = step.handle(programme, state, event, tick_at=self._tick_at.get(partition))
        self._note_due(state)
        for item in output:
            if not isinstance(item, Event):
                yield item
            elif partition is None:
                referrer = self._identify(item).key
                if referrer != state.key:  # not of someone who was merged with the friend
                    yield from self._handle(_of(item, referrer), None)

    def _apply(self, at: int, partition: int | None) -> Iterator[Output]:
        if not self._in_order:
            yield from self._advance(at)
        before = self._in_force.get(partition, self._first)
        if partition is None:
            self._first = self._programme
        self._in_force[partition] = self._programme
        for key in sorted({*self._states, *self._moves.waiting()}):
            if partition is None or self._partitions[key] == partition:
                if self._moves.adopts_later(key, _IN_FORCE, at, self._tick_at.get(partition)):
                    continue
                state = self._states[key]
                yield from _commands(step.advance(before, state, at, wall=False))
                yield from _commands(step.adopt(self._programme, state, at, tick_at=self._tick_at.get(partition)))
                self._note_due(state)

    def _advance(self, until: int, partition: int | None = None, *, wall: bool = False) -> Iterator[Output]:
        """Fire what is due by `until`: earliest first over all members, or as the tick of a partition does it."""
        aside = []
        while self._due and self._due[0][0] <= until:
            due, key = heapq.heappop(self._due)
            state = self._states.get(key)
            if state is None or state.next_due() != due or self._moves.waits(key):
                continue
            if partition is not None and self._partitions[key] != partition:
                aside.append((due, key))
                continue
            programme = self._in_force.get(self._partitions[key], self._first)
            output = step.advance(programme, state, until if partition is not None or wall else due, wall=wall)
            self._note_due(state)
            yield from _commands(output)
        for entry in aside:
            heapq.heappush(self._due, entry)

    def _note_due(self, state: MemberState) -> None:
        due = state.next_due()
        if due is not None:
            heapq.heappush(self._due, (due, state.key))


def _of(event: Event, key: str) -> Event:
    return event if event.key == key else msgspec.structs.replace(event, key=key)


def _commands(output: Iterable[Output]) -> Iterator[Output]:
    return (item for item in output if not isinstance(item, Event))
