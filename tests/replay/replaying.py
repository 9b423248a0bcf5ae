"""The log handled as the workers handle it: by partition, each member's state written and read again at every step.

Written from the contract (§4) and beside `streams/simulate.py`, which has one programme only and keeps its states in
memory: here a log may bring several programmes, and a replay may go on from states that an earlier version wrote.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from schemas.json_lines import LogPosition
from schemas.values import format_time
from streams.engine import state, state_bytes, step
from streams.engine.commands import Decision, ProfileCheck
from streams.engine.events import Event, LogRecord, Tick
from streams.engine.handling import Output
from streams.engine.state import MemberState
from streams.programme import Programme, load

_TIMES = ("not_after", "activates_at", "expires_at", "occurred_at", "touched_at")
_NOTHING = load([])


@dataclass(slots=True)
class Partition:
    """Where a partition stands, and its members: their states as bytes, and when the earliest timer of each is due."""

    number: int = 0
    tick_at: int | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)


class Replay:
    """A replay of a log; `take` gives it record by record."""

    def __init__(self, programmes: Mapping[int, Programme]) -> None:
        self._programmes = programmes
        self.partitions: dict[int, Partition] = {}

    def take_all(self, log: Iterable[tuple[LogRecord, LogPosition]]) -> list[str]:
        """What comes of these records, as lines."""
        return [format_output(item) for record, position in log for item in self.take(record, position.partition)]

    def take(self, record: LogRecord, number: int) -> list[Output]:
        """What comes of one record in that partition, in order."""
        partition = self.partitions.setdefault(number, Partition())
        programme, tick_at = self._programme(partition.number), partition.tick_at
        if isinstance(record, Event):
            return self._change(
                partition, record.key, lambda found: step.handle(programme, found, record, tick_at=tick_at)
            )
        at = record.occurred_at
        if isinstance(record, Tick):
            wall = record.wall
            output = self._advance(partition, at, lambda found: step.advance(programme, found, at, wall=wall))
            partition.tick_at = at if tick_at is None else max(at, tick_at)
            return output
        following = self._programme(record.programme)
        partition.number = record.programme

        def adopt(found: MemberState) -> list[Output]:
            before = step.advance(programme, found, at, wall=False)
            return [*before, *step.adopt(following, found, at, tick_at=tick_at)]

        return [item for key in sorted(partition.stored) for item in self._change(partition, key, adopt)]

    def restore(self, number: int, programme: int, tick_at: int | None, stored: Mapping[str, bytes]) -> None:
        """Put a partition where it stood."""
        due = {key: state_bytes.decode(data).next_due() for key, data in stored.items()}
        known = {key: at for key, at in due.items() if at is not None}
        self.partitions[number] = Partition(programme, tick_at, dict(stored), known)

    def copy(self) -> "Replay":
        """One that can go on by itself from here."""
        other = Replay(self._programmes)
        for number, each in self.partitions.items():
            other.partitions[number] = Partition(each.number, each.tick_at, dict(each.stored), dict(each.due))
        return other

    def next_due(self) -> int | None:
        """When the earliest timer of all members is due."""
        return min((due for partition in self.partitions.values() for due in partition.due.values()), default=None)

    def _advance(self, partition: Partition, until: int, action: Callable[[MemberState], list[Output]]) -> list[Output]:
        coming = sorted((due, key) for key, due in partition.due.items() if due <= until)
        return [item for _, key in coming for item in self._change(partition, key, action)]

    def _change(self, partition: Partition, key: str, action: Callable[[MemberState], list[Output]]) -> list[Output]:
        found = state_bytes.decode(partition.stored[key]) if key in partition.stored else state.new(key)
        output = [item for item in action(found) if not isinstance(item, ProfileCheck)]  # no decisions
        partition.stored[key] = state_bytes.encode(found)
        due = found.next_due()
        partition.due.pop(key, None)
        if due is not None:
            partition.due[key] = due
        return output

    def _programme(self, number: int) -> Programme:
        return self._programmes[number] if number else _NOTHING


def format_output(item: Output) -> str:
    """A record as a line: when, whose, `campaign/version`, where in it, what, and all other fields that are stated.

    What is `dispatch`, `award`, `webhook`, `attribution`, the outcome and reason of a decision as `refused:holdout`, or
    the type of an event for another member.
    """
    fields = msgspec.to_builtins(item, builtin_types=(Decimal,))
    if isinstance(item, Event):
        head = [format_time(item.occurred_at), item.key, "-", "-", item.type]
        fields = {"event_id": item.event_id, "historical": item.historical or None}
    else:
        what = type(item).__name__.lower()
        if isinstance(item, Decision):
            what = f"{fields.pop('outcome')}:{fields.pop('reason')}"
            fields.pop("limit", None)  # counted, not recorded
        place = f"{fields.pop('campaign')}/{fields.pop('version')}"
        head = [format_time(fields.pop("at")), fields.pop("member_id"), place, fields.pop("action") or "-", what]
    said = {name: _plain(name, value) for name, value in fields.items() if value is not None}
    rest = [json.dumps(said, ensure_ascii=False, separators=(",", ":"), default=str)] if said else []
    return " ".join([*head, *rest])


def _plain(name: str, value: Any) -> Any:
    return format_time(value) if name in _TIMES else value
