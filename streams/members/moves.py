"""States that become part of others', as the log says (`StateMoved`, `StateHandedOver`): what the members stage does.

1. Under the key that goes, the state is handed over: encoded, into the partition of the member, in the transaction of
   the batch. What remains is whose it became part of; a record that ingest resolved before it knew is sent on there.
2. Under the member's key, what comes next waits (`streams.members.held`).
3. When the state has come, it becomes part of the member's, and what waited is handled in its order.

A state that nobody waits for any more (too much was kept) becomes part of the member's when it comes.
"""

from collections.abc import Callable
from typing import Any

from schemas.codec import Codec
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.members.emit import Outgoing
from streams.members.engine import Engine
from streams.members.held import Adopted, Awaited, Held, Item, Kept
from streams.members.overlay import Loaded, Overlay, Step
from streams.members.programmes import Programmes
from streams.topics import MEMBER_EVENTS

Do = Callable[[Loaded, Any, Step], bool]
"""Applies a step for a record, which is put aside if that fails; tells whether it didn't."""
FIRES_MAX = 4
"""How often a tick that passed meanwhile is handled for a member who still has timers due by it."""


class LogPlace:
    """A record of the log as it stood there."""

    __slots__ = ("key", "offset", "partition", "topic", "value")

    def __init__(self, partition: int, offset: int, key: bytes | None, value: bytes) -> None:
        self.topic = MEMBER_EVENTS
        self.partition = partition
        self.offset = offset
        self.key = key
        self.value = value


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
        put_out: Callable[[Outgoing], None],
        do: Do,
    ) -> None:
        self._partition = partition
        self._codec = codec
        self._engine = engine
        self._programmes = programmes
        self._overlay = overlay
        self._put_out = put_out
        self._do = do

    def detains(self, member: Loaded, record: Any, at: int, tick_at: int | None) -> bool:
        """Tell whether a record isn't to be handled now: it is kept, or sent on to where the state went.

        `at` is its time, `tick_at` the partition's last tick, both in ms.
        """
        if member.moved_to is not None:
            self._put_out(Outgoing(MEMBER_EVENTS, member.moved_to.encode(), record.value, at))
            return True
        if member.held is None:
            return False
        self._add(member, Kept(record.offset, record.value, tick_at))
        return True

    def adopts_later(self, member: Loaded, item: Adopted) -> bool:
        """Tell whether a new programme isn't to come into force for the member now: nobody is there, or waits."""
        if member.held is not None:
            self._add(member, item)
        return member.held is not None or member.moved_to is not None

    def move(self, member: Loaded, record: Any, moved: StateMoved, *, programme: int, tick_at: int | None) -> None:
        """Hand the state over, or, on the other side, wait for it."""
        is_given = member.key == moved.gone.encode()
        if is_given and member.held is None:
            self._hand_over(member, moved)
        elif is_given or member.moved_to is not None:
            self.detains(member, record, moved.occurred_at, tick_at)
        else:
            held = member.held or Held(programme)
            self._overlay.hold(member, held)
            held.add(Awaited(moved.move_id, moved.occurred_at, moved.historical, tick_at))

    def arrive(
        self, member: Loaded, record: Any, arrived: StateHandedOver, programme: Any, tick_at: int | None
    ) -> None:
        """Let a state that was handed over become part of the member's, and handle what waited for it."""
        if member.moved_to is not None:
            self.detains(member, record, arrived.occurred_at, tick_at)
        elif member.held is not None and member.held.arrive(arrived.move_id, arrived.state):
            member.is_changed = True
            self._go_on(member)
        else:
            self._unite(member, record, arrived, programme, tick_at)

    def _hand_over(self, member: Loaded, moved: StateMoved) -> None:
        if moved.into is None:  # the name's link is forgotten: what comes under it is a stranger's of their own
            if member.moved_to is not None:
                member.hand_over(self._engine, None)
            return
        state = member.hand_over(self._engine, moved.into)
        handed = StateHandedOver(
            occurred_at=moved.occurred_at,
            move_id=moved.move_id,
            gone=moved.gone,
            into=moved.into,
            historical=moved.historical,
            state=state,
        )
        self._put_out(Outgoing(MEMBER_EVENTS, moved.into.encode(), self._codec.encode(handed), moved.occurred_at))

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
        if not held or member.moved_to is not None:
            self._overlay.hold(member, None)

    def _receive(self, member: Loaded, held: Held, item: Awaited, state: bytes | None) -> None:
        key = member.key.decode()
        handed = StateHandedOver(
            occurred_at=item.at, move_id=item.move_id, gone=key, into=key, historical=item.historical, state=state
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
        before, programme = self._programmes.get(held.programme), self._programmes.get(item.programme)
        engine = self._engine

        def step(state: Any) -> Any:
            due = engine.advance(before, state, item.at, wall=False)
            return [*due, *engine.adopt(programme, state, item.at, tick_at=item.tick_at)]

        applied = ProgrammeApplied(occurred_at=item.at, programme=item.programme)
        self._do(member, self._made(member, applied), step)
        held.programme = item.programme

    def _handle(self, member: Loaded, held: Held, item: Kept) -> bool:
        """Handle a record that was kept; False if there is nobody any more to handle the next."""
        (found,) = self._codec.decode_log([item.record], [member.key])
        if isinstance(found, StateMoved):
            self._hand_over(member, found)
            for rest in held.drop():
                if isinstance(rest, Kept):
                    place = LogPlace(self._partition, rest.offset, member.key, rest.record)
                    self.detains(member, place, found.occurred_at, rest.tick_at)
            return False
        assert isinstance(found, Event)
        event, programme = found, self._programmes.get(held.programme)
        self._do(
            member,
            LogPlace(self._partition, item.offset, member.key, item.record),
            lambda state: self._engine.handle(programme, state, event, tick_at=item.tick_at),
        )
        return True

    def _fire(self, member: Loaded, held: Held, tick_at: int | None) -> None:
        """Fire what the ticks had due that passed before an item."""
        programme = self._programmes.get(held.programme)
        for _ in range(FIRES_MAX):
            due = member.state.next_due()
            if tick_at is None or due is None or due > tick_at:
                return
            record = self._made(member, Tick(occurred_at=tick_at, wall=False))
            if not self._do(member, record, lambda state: self._engine.advance(programme, state, tick_at, wall=False)):
                return

    def _made(self, member: Loaded, record: LogRecord) -> LogPlace:
        """Make up the record, of which no more than this is kept, for a dead letter."""
        return LogPlace(self._partition, -1, member.key, self._codec.encode(record))
