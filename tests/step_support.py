"""A partition's step on a real store, with a small engine that notes what it is told, and everything committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.commands import Decision
from streams.engine.events import Event, LogRecord, StateHandedOver, StateMoved, Tick
from streams.members.programmes import Programmes
from streams.members.step import DUE_MAX, MemberStep, Part
from streams.members.store import PartitionStore
from streams.topics import DECISIONS

CODEC = Codec(CommittedSchemas())


class State(msgspec.Struct):
    key: str
    seen: list[str] = []
    timers: list[int] = []

    def next_due(self) -> int | None:
        return min(self.timers, default=None)


class Engine:
    """Notes what it is told; `url` says what to do: `timer:N` sets a timer, `fail` raises, `odd` cannot be encoded."""

    def handle(self, programme: Any, state: State, event: Event, *, tick_at: int | None) -> list[Any]:
        state.seen.append(f"{event.event_id}@{programme}/{tick_at}")
        verb, _, number = event.body["url"].partition(":")
        if verb == "fail":
            raise ValueError("as told")
        if verb == "odd":
            return [decision(state.key, event.occurred_at, "no such outcome")]
        if verb == "timer":
            state.timers.append(int(number))
        return [decision(state.key, event.occurred_at)]

    def advance(self, programme: Any, state: State, at: int, *, wall: bool) -> list[Any]:
        if "stuck" in state.key:
            raise ValueError("stuck")
        fired = [due for due in state.timers if due <= at]
        state.timers = [due for due in state.timers if due > at]
        state.seen += [f"fired {due}" for due in fired]
        return [decision(state.key, due) for due in fired]

    def adopt(self, programme: Any, state: State, at: int, *, tick_at: int | None) -> list[Any]:
        state.seen.append(f"adopted {programme}")
        return []

    def merge(
        self, programme: Any, state: State, other: State, at: int, *, historical: bool, tick_at: int | None
    ) -> list[Any]:
        state.seen.append(f"{other.key} {other.seen}@{at}{' historical' if historical else ''}")
        state.timers += other.timers
        return [decision(state.key, at)]

    def new(self, key: str) -> State:
        return State(key)

    def encode(self, state: State) -> bytes:
        return msgspec.msgpack.encode(state)

    def decode(self, data: bytes) -> State:
        return msgspec.msgpack.decode(data, type=State)

    def lightened(self, data: bytes, bytes_max: int) -> bytes:
        return self.encode(State(self.decode(data).key, ["lightened"]))

    def recordless_types(self, programme: Any) -> frozenset[str]:
        return frozenset()

    def erased_at(self, state: State) -> int | None:
        return None

    def needs_records(self, state: State) -> bool:
        return False

    def load(self, bundles: Any, number: int) -> str:
        return f"P{number}"


def decision(member: str, at: int, outcome: str = "ended") -> Decision:
    return Decision(at=at, member_id=member, campaign="c", version=1, action=None, outcome=outcome, reason="completed")


@dataclass
class Record:
    offset: int
    key: bytes | None
    value: bytes


class Numbered(Programmes):
    """Programmes that need no topic."""

    def __init__(self, programmes: Sequence[Any] = ()) -> None:
        self._loaded = dict(enumerate(programmes or [f"P{number}" for number in range(9)]))


class Partition:
    """A store with the step over it, and everything that was committed."""

    def __init__(self, path: Path, recent_max: int, due_max: int = DUE_MAX) -> None:
        self.store = PartitionStore(path)
        self.recent_max = recent_max
        self.due_max = due_max
        self.commits: list[int] = []
        self.outputs: list[tuple[str, int]] = []
        self.sent: list[Any] = []  # what went to other partitions, topic and key in front
        self.dead: list[tuple[int, str, bytes | None]] = []
        self.offset = 0
        self.die_at: int | None = None
        self.gives_way = False
        self.restart()

    def restart(self) -> None:
        self.use(Engine())

    def use(self, engine: Any, programmes: Sequence[Any] = ()) -> None:
        self.step = MemberStep(
            0,
            self.store,
            codec=CODEC,
            engine=engine,
            programmes=Numbered(programmes),
            flush=self._flush,
            recent_max=self.recent_max,
            due_max=self.due_max,
            gives_way=lambda: self.gives_way,
        )

    def _flush(self, parts: Sequence[Part]) -> None:
        ((_, overlay, effects, next_offset),) = parts
        if self.die_at is not None and len(self.commits) == self.die_at:
            raise KeyboardInterrupt
        changes = [*overlay.changes(), *((key, value, None) for key, value in effects.meta.items())]
        self.store.write(changes, len(self.commits))
        self.commits.append(next_offset)
        for each in effects.records:
            if each.topic == DECISIONS:
                self.outputs.append((each.key.decode(), each.at))
            else:
                (item,) = CODEC.decode_log([each.value], [each.key])
                self.sent.append((each.topic, each.key.decode(), item))
        self.dead += [(record.offset, reason, key) for record, reason, key in effects.dead]

    def handle(self, *items: LogRecord | bytes) -> None:
        records = []
        for item in items:
            value = item if isinstance(item, bytes) else CODEC.encode(item)
            key = item.key.encode() if isinstance(item, Event) else None
            if isinstance(item, StateHandedOver):
                key = item.into.encode()
            records.append(Record(self.offset, key, value))
            self.offset += 1
        self.records = records
        self.again()

    def move(self, under: str, gone: str, into: str | None, at: int, move_id: str = "m") -> None:
        """Handle one side of a move."""
        self.handle_under(under, StateMoved(occurred_at=at, move_id=move_id, gone=gone, into=into))

    def handle_under(self, key: str, item: LogRecord) -> None:
        """Handle a record under this key, as what is handed over or sent on comes."""
        self.records = [Record(self.offset, key.encode(), CODEC.encode(item))]
        self.offset += 1
        self.again()

    def again(self) -> None:
        """Handle the last records, anew after a crash; `reached` is how far it came."""
        self.reached = self.step.decide(self.records, self.offset)
        self._flush([self.step.part()])
        self.step.committed()

    def finish(self) -> None:
        """Work off what is open."""
        while self.step.is_behind:
            self.step.work_off(self.offset)

    def state(self, key: str) -> State:
        (value,) = self.store.get([key.encode()])
        assert value is not None
        return Engine().decode(value[8:])


def event(name: str, member: str, at: int, do: str = "") -> Event:
    return Event(
        event_id=name, type="site_visited", occurred_at=at, source="s", key=member, member_id=member, body={"url": do}
    )


def tick(at: int) -> Tick:
    return Tick(occurred_at=at, wall=False)
