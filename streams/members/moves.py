"""States that become part of others', as the log says (`StateMoved`, `StateHandedOver`): what the members stage does.

1. Under the key that goes, the state is handed over: encoded, on its way to the partition of the member, in the
   transaction of the batch. What remains is whose it became part of; what ingest resolved before it knew is sent on
   there, and no one asks again whose it is: that might lead back here.
2. Under the member's key, what comes next waits (`streams.members.held`).
3. When the state has come, it becomes part of the member's, and what waited is handled in its order.

A state is handed over whatever its size, as it is kept; one that has outgrown a record leaves what is oldest behind.
A state that nobody waits for any more (too much was kept) becomes part of the member's when it comes. Where two members
were merged into each other at once, each by a task that didn't know of the other, the one of the smaller id stays, and
hands over nothing; whoever is sent what was their own, round more of them, keeps it. Whom several tasks gave to several
others, the first has.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from schemas.codec import HANDED_OVER_BYTES_MAX, Codec
from streams import metrics
from streams.engine.commands import Command
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.members.emit import Outgoing
from streams.members.engine import Engine
from streams.members.held import Adopted, Awaited, Held, Item, Kept
from streams.members.overlay import Loaded, Overlay, Step
from streams.members.programmes import Programmes
from streams.sealing.log_reader import LogReader
from streams.topics import CONTROL, MEMBER_EVENTS

Moved = StateMoved | StateHandedOver
Do = Callable[[Loaded, Any, Step], bool]
"""Applies a step for a record, which is put aside if that fails; tells whether it didn't."""
Told = Callable[[Loaded, Any, Event | StateMoved], None]
"""Learns of a key that was erased, the record and what it says."""
STATE_BYTES_MAX = HANDED_OVER_BYTES_MAX - 65_536
"""Of a state that is handed over: the rest is for the names beside it, and a seal."""
ADVANCES_MAX = 4
"""How often a tick is handled for a member who still has timers due by it."""

logger = logging.getLogger(__name__)


class LogPlace:
    """A record of the log as it stood there."""

    __slots__ = ("key", "offset", "partition", "topic", "value")

    def __init__(self, partition: int, offset: int, key: bytes | None, value: bytes) -> None:
        self.topic = MEMBER_EVENTS
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = value


def adopting(engine: Engine, programmes: Programmes, before: int, item: Adopted) -> Step:
    """Make the step by which a programme takes the place of programme `before`: what was due is still that one's."""
    earlier, programme = programmes.get(before), programmes.get(item.programme)

    def step(state: Any) -> Sequence[Command | Event]:
        due = engine.advance(earlier, state, item.at, wall=False)
        return [*due, *engine.adopt(programme, state, item.at, tick_at=item.tick_at)]

    return step


class Moves:
    """The moves of one partition."""

    def __init__(
        self,
        partition: int,
        *,
        codec: Codec,
        engine: Engine,
        programmes: Programmes,
        overlay: Overlay,
        reader: LogReader,
        put_out: Callable[[Outgoing], None],
        do: Do,
        erased: Told,
        end_keys: Callable[[Loaded, Any], None],
    ) -> None:
        self._partition = partition
        self._codec = codec
        self._engine = engine
        self._programmes = programmes
        self._overlay = overlay
        self._reader = reader
        self._put_out = put_out
        self._do = do
        self._erased = erased
        self._end_keys = end_keys

    def detains(self, member: Loaded, record: Any, item: Event | Moved, tick_at: int | None) -> bool:
        """Tell whether a record isn't to be handled now: it is kept, or sent on to where the state went.

        `tick_at` is the partition's last tick, in ms.
        """
        if member.moved_to is not None:
            self._send_on(member, record, item)
            return True
        if not member.is_waiting:
            return False
        self._add(member, Kept(record.offset, record.value, tick_at))
        return True

    def _send_on(self, member: Loaded, record: Any, item: Event | Moved) -> None:
        assert member.moved_to is not None
        if isinstance(item, Event):  # its lists of records may have been left out
            (item,) = self._reader.read(self._partition, [record.value], [member.key])  # type: ignore[assignment]
            assert isinstance(item, Event)
            self._end_keys(member, record)
        self._put_on_its_way(member.moved_to, item)

    def adopts_later(self, member: Loaded, item: Adopted) -> bool:
        """Tell whether a new programme isn't to come into force for the member now: nobody is there, or waits."""
        is_waiting = member.is_waiting
        if is_waiting:
            self._add(member, item)
        return is_waiting or member.moved_to is not None

    def move(self, member: Loaded, record: Any, moved: StateMoved, *, programme: int, tick_at: int | None) -> None:
        """Hand the state over, or, on the other side, wait for it; or forget the key of someone who was erased."""
        is_given = member.key == moved.gone.encode()
        held = member.held
        if not is_given and member.moved_to == moved.gone:  # each was to become part of the other
            if member.key > moved.gone.encode() or moved.into != member.key.decode():
                return  # this one has, and the other stays
            member.moved_to, member.is_changed = None, True  # this one stays; what it had comes back
        if held is not None and _stays(member, held, moved):
            self._give(moved, None)
        elif held is not None and _goes_at_once(member, held, moved):
            self._hand_over(member, moved)
            self._send_all_on(member, held)
            self._overlay.hold(member, held)
        elif is_given and not member.is_waiting:
            self._let_go(member, record, moved)
        elif is_given or member.moved_to is not None:
            self.detains(member, record, moved, tick_at)
        else:
            held = held or Held(programme)
            if not held.is_waiting:
                held.programme = programme
            into = moved.into or ""  # never empty here
            held.add(Awaited(moved.move_id, moved.gone, into, moved.occurred_at, moved.historical, tick_at))
            self._overlay.hold(member, held)

    def arrive(
        self, member: Loaded, record: Any, arrived: StateHandedOver, programme: Any, tick_at: int | None
    ) -> None:
        """Let a state that was handed over become part of the member's, and handle what waited for it."""
        gone = arrived.gone.encode()
        is_own = gone == member.key
        comes_back = (
            member.moved_to in (None, arrived.into) if is_own else member.moved_to == arrived.gone and member.key < gone
        )
        held = member.held
        self._end_keys(member, record)
        if comes_back and member.moved_to is not None:
            member.moved_to, member.is_changed = None, True  # to be written, also if there is no state
        if member.moved_to is not None:
            if arrived.state is not None or (
                not is_own and member.moved_to != arrived.gone
            ):  # else nobody waits for it
                self._send_on(member, record, arrived)
        elif held is not None and held.arrive(arrived.move_id, arrived.state):
            member.is_changed = True
            self._go_on(member)
        elif comes_back or (held is not None and arrived.move_id in held.given_up):
            if held is not None and not comes_back:
                held.given_up.remove(arrived.move_id)
                self._overlay.hold(member, held)
            self._unite(member, record, arrived, programme, tick_at)

    def _let_go(self, member: Loaded, record: Any, moved: StateMoved) -> None:
        if moved.erased:
            self._erased(member, record, moved)
        if not moved.erased or moved.into is None:
            self._hand_over(member, moved)

    def _hand_over(self, member: Loaded, moved: StateMoved) -> None:
        if moved.into is None:  # the name's link is forgotten: what comes under it is a stranger's of their own
            if member.moved_to is not None:
                member.hand_over(None)
            return
        heir = member.moved_to or moved.into  # one who was given before has nothing left: what comes yet goes there
        self._give(moved, self._fitting(member.hand_over(heir), moved))

    def _give(self, moved: StateMoved, state: bytes | None) -> None:
        into = moved.into or ""  # never empty here
        handed = StateHandedOver(
            occurred_at=moved.occurred_at,
            move_id=moved.move_id,
            gone=moved.gone,
            into=into,
            historical=moved.historical,
            state=state,
        )
        self._put_on_its_way(into, handed)

    def _put_on_its_way(self, into: str, item: Event | Moved) -> None:
        """Send something to another's partition, stamped with the time of writing: Kafka deletes by this time.

        What happened weeks ago would be gone before its ingest task has read it.
        """
        self._put_out(Outgoing(CONTROL, into.encode(), self._codec.encode(item), None))

    def _fitting(self, state: bytes | None, moved: StateMoved) -> bytes | None:
        if state is None or len(state) <= STATE_BYTES_MAX:
            return state
        fitting = self._engine.lightened(state, STATE_BYTES_MAX)
        metrics.limits_exceeded.labels("state_bytes").inc()
        logger.warning(
            "partition %d: the state that goes by move %s has %d bytes, %d at most are handed over: %d are",
            *(self._partition, moved.move_id, len(state), STATE_BYTES_MAX, len(fitting)),
        )
        return fitting

    def _add(self, member: Loaded, item: Item) -> None:
        assert member.held is not None
        member.held.add(item)
        member.is_changed = True
        if member.held.is_full:
            self._go_on(member)

    def _go_on(self, member: Loaded) -> None:
        """Handle what waited, as far as it needn't wait any more."""
        held = member.held
        assert held is not None
        for item, state in held.take_ready():
            self._fire(member, held, item.tick_at)
            if isinstance(item, Awaited):
                self._receive(member, held, item, state)
            elif isinstance(item, Adopted):
                self._adopt(member, held, item)
            elif not self._handle(member, held, item):
                break
        self._overlay.hold(member, held)

    def _receive(self, member: Loaded, held: Held, item: Awaited, state: bytes | None) -> None:
        key = member.key.decode()
        handed = StateHandedOver(
            occurred_at=item.at, move_id=item.move_id, gone=item.gone, into=key, historical=item.historical, state=state
        )
        programme = self._programmes.get(held.programme)
        self._unite(member, self._made(member, handed), handed, programme, item.tick_at)

    def _unite(self, member: Loaded, record: Any, handed: StateHandedOver, programme: Any, tick_at: int | None) -> None:
        engine, state = self._engine, handed.state
        if state is None:
            return

        def step(own: Any) -> Any:
            other = engine.decode(state)
            return engine.merge(
                programme, own, other, handed.occurred_at, historical=handed.historical, tick_at=tick_at
            )

        self._do(member, record, step)

    def _adopt(self, member: Loaded, held: Held, item: Adopted) -> None:
        applied = ProgrammeApplied(occurred_at=item.at, programme=item.programme)
        self._do(member, self._made(member, applied), adopting(self._engine, self._programmes, held.programme, item))
        held.programme = item.programme

    def _handle(self, member: Loaded, held: Held, item: Kept) -> bool:
        """Handle a record that was kept; False if there is nobody any more to handle the next."""
        place = LogPlace(self._partition, item.offset, member.key, item.value)
        found = self._read(member, item)
        if isinstance(found, StateMoved):
            if _stays(member, held, found):
                self._give(found, None)
                return True
            self._let_go(member, place, found)
            if member.moved_to is not None:
                self._send_all_on(member, held)
                return False
        if isinstance(found, Event):
            event, programme = found, self._programmes.get(held.programme)
            step = lambda state: self._engine.handle(programme, state, event, tick_at=item.tick_at)  # noqa: E731
            done = self._do(member, place, step)
            if event.type != "member_erased":
                self._end_keys(member, place)
            elif done:
                self._erased(member, place, event)
        return True

    def _send_all_on(self, member: Loaded, held: Held) -> None:
        """Send what waited to where the state went, and what was waited for."""
        for item, state, has_come in held.drop():
            if isinstance(item, Kept):
                later = self._read(member, item)
                if isinstance(later, StateMoved) and later.gone.encode() == member.key:
                    self._let_go(member, LogPlace(self._partition, item.offset, member.key, item.value), later)
                elif later is not None:
                    self._send_on(member, item, later)
            elif isinstance(item, Awaited):
                at = item.at
                facts: dict[str, Any] = {
                    "move_id": item.move_id,
                    "gone": item.gone,
                    "into": item.into,
                    "historical": item.historical,
                }
                if item.gone != member.moved_to:
                    self._send_on(member, item, StateMoved(occurred_at=at, **facts))
                if has_come:
                    self._send_on(member, item, StateHandedOver(occurred_at=at, **facts, state=state))

    def _read(self, member: Loaded, item: Kept) -> Event | StateMoved | None:
        """Read a record that was kept; None if it can't be read any more."""
        (found,) = self._reader.read(self._partition, [item.value], [member.key])
        return found if isinstance(found, Event | StateMoved) else None

    def _fire(self, member: Loaded, held: Held, tick_at: int | None) -> None:
        """Fire what the ticks had due that passed before an item."""
        programme = self._programmes.get(held.programme)
        for _ in range(ADVANCES_MAX):
            due = member.state.next_due()
            if tick_at is None or due is None or due > tick_at:
                return
            record = self._made(member, Tick(occurred_at=tick_at, wall=False))
            if not self._do(member, record, lambda state: self._engine.advance(programme, state, tick_at, wall=False)):
                return

    def _made(self, member: Loaded, record: LogRecord) -> LogPlace:
        """Make up the record, of which no more than this is kept, for a dead letter."""
        return LogPlace(self._partition, -1, member.key, self._codec.encode(record))


def _stays(member: Loaded, held: Held, moved: StateMoved) -> bool:
    """Tell whether a member doesn't go: who they are to become part of becomes part of them, and has the greater id."""
    gone, into = moved.gone, moved.into or ""
    return gone.encode() == member.key < into.encode() and not moved.erased and held.awaits(into, gone)


def _goes_at_once(member: Loaded, held: Held, moved: StateMoved) -> bool:
    """Tell whether a member needn't wait to go: they wait for who they go to, and have the greater id."""
    into = moved.into or ""
    return moved.gone.encode() == member.key > into.encode() and not moved.erased and held.awaits(into)
