"""States that become one's in a simulation of an exported log: `streams.members.moves` over states in memory.

The log says when a state goes and holds what was handed over and sent on, so of what the moves put out nothing is
needed again.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from streams.engine import merging, state_bytes, step
from streams.engine.events import Event, LogRecord, StateHandedOver, StateMoved
from streams.engine.handling import Output
from streams.engine.state import MemberState, new
from streams.members.held import Adopted, Held
from streams.members.moves import Moves


class Mover:
    """A member of whom the log tells moves."""

    def __init__(self, states: dict[str, MemberState], key: str) -> None:
        self._states = states
        self._key = key
        self.key = key.encode()
        self.held: Held | None = None
        self.moved_to: str | None = None
        self.is_changed = False

    @property
    def is_waiting(self) -> bool:
        """Whether a state is on its way."""
        return self.held is not None and self.held.is_waiting

    @property
    def state(self) -> MemberState:
        """The state, made if there is none."""
        return self._states.setdefault(self._key, new(self._key))

    def hand_over(self, into: str | None) -> None:
        """Give the state away."""
        self._states.pop(self._key, None)
        self.moved_to = into


class _Plain:
    """Records as they are, in place of their bytes."""

    def read(self, _partition: int, records: Sequence[LogRecord], _keys: object) -> Sequence[LogRecord]:
        return records

    def encode(self, record: LogRecord) -> LogRecord:
        return record


def _leave(*_arguments: object) -> None:
    """Do nothing: it stands in the log."""


class _Engine:
    handle = staticmethod(step.handle)
    advance = staticmethod(step.advance)
    adopt = staticmethod(step.adopt)
    merge = staticmethod(merging.merge)

    def __init__(self, number: int) -> None:
        self._number = number

    def decode(self, data: bytes) -> MemberState:
        """Read a state of the log: whichever programme it had met there, here it is the one that is simulated."""
        state = state_bytes.decode(data)
        if state.programme > 0:
            state.programme = self._number
        return state


class _Record:
    """A record of the log where the members stage has one from Kafka."""

    def __init__(self, value: Any) -> None:
        self.offset = 0
        self.value = value


class SimulatedMoves:
    """The moves of all partitions. `programmes` has the programmes by number; `changed` learns of changed states."""

    def __init__(
        self, states: dict[str, MemberState], programmes: dict[int, Any], changed: Callable[[MemberState], None]
    ) -> None:
        self._states = states
        self._changed = changed
        self._movers: dict[str, Mover] = {}
        self._out: list[Output] = []
        plain, engine = _Plain(), _Engine(programmes[max(programmes)].number)
        parts: Any = {"codec": plain, "reader": plain, "engine": engine, "programmes": programmes, "overlay": self}
        self._moves = Moves(0, **parts, put_out=_leave, do=self._do, erased=_leave, end_keys=_leave)

    def waits(self, key: str) -> bool:
        """Whether a state is on its way to the member."""
        mover = self._movers.get(key)
        return mover is not None and mover.is_waiting

    def waiting(self) -> Iterable[str]:
        """The members who wait."""
        return [key for key in self._movers if self.waits(key)]

    def event(self, event: Event, tick_at: int | None) -> list[Output] | None:
        """Keep an event that isn't to be handled now, and return what follows; None if it is to be handled."""
        mover: Any = self._movers.get(event.key)
        if mover is None or not self._moves.detains(mover, _Record(event), event, tick_at):
            return None
        return self._taken()

    def record(
        self, key: str, item: StateMoved | StateHandedOver, programme: int, loaded: Any, tick_at: int | None
    ) -> list[Output]:
        """Do what the log says; `programme` is the number of the one in force, `loaded` itself."""
        mover: Any = self._movers.setdefault(key, Mover(self._states, key))
        if isinstance(item, StateMoved):
            self._moves.move(mover, _Record(item), item, programme=programme, tick_at=tick_at)
        else:
            self._moves.arrive(mover, _Record(item), item, programme=loaded, tick_at=tick_at)
        return self._taken()

    def adopts_later(self, key: str, programme: int, at: int, tick_at: int | None) -> bool:
        """Whether the programme comes into force for the member when what they wait for has come."""
        mover: Any = self._movers.get(key)
        return mover is not None and self._moves.adopts_later(mover, Adopted(programme, at, tick_at))

    def hold(self, mover: Mover, held: Held) -> None:
        """Let a member wait, or wait no more."""
        mover.held = held if held.is_waiting or held.given_up else None
        if not mover.is_waiting and mover.moved_to is None:
            self._changed(mover.state)

    def _do(self, mover: Any, _record: object, change: Callable[[MemberState], Iterable[Output]]) -> bool:
        self._out.extend(change(mover.state))
        return True

    def _taken(self) -> list[Output]:
        out, self._out = self._out, []
        return out
