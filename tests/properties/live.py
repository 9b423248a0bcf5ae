"""The engine over a log as a worker runs it: programmes and ticks are records, the state is stored at every step."""

import json
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from schemas.json_lines import read_events
from streams.engine import step
from streams.engine.events import Event, LogRecord, ProgrammeApplied, Tick
from streams.engine.handling import Output
from streams.engine.merging import merge
from streams.engine.state import MemberState, new
from streams.engine.state_bytes import decode, encode
from streams.identity.identifiers import Naming
from streams.identity.identify import identify
from streams.identity.links import LinkTable
from streams.programme import Programme, load
from streams.programme.programme import EMPTY


def files_of(programme: dict[str, Any]) -> dict[str, str]:
    """The campaign directory that says it."""
    files = {
        "policies.yaml": programme["policies"],
        "counters.yaml": {"counters": programme["counters"]},
        "templates/all.yaml": {"templates": [{"id": name, **t} for name, t in programme["templates"].items()]},
        **{f"segments/{name}.yaml": {"id": name, **one} for name, one in programme["segments"].items()},
        **{f"polls/{name}.yaml": {"id": name, **one} for name, one in programme.get("polls", {}).items()},
        **{f"{campaign['id']}.yaml": campaign for campaign in programme["campaigns"]},
    }
    return {path: json.dumps(content) for path, content in files.items()}  # which is YAML, too


def read(lines: Iterable[dict[str, Any]]) -> list[LogRecord]:
    """The records that lines of a file say."""
    return [record for record, _ in read_events([json.dumps(line) for line in lines], "events")]


class Worker:
    """All members of one partition."""

    def __init__(self, programmes: list[dict[str, Any]], records: Iterable[LogRecord]) -> None:
        bundles = [files_of(programme) for programme in programmes]
        self.programmes = [EMPTY, *(load(bundles[: number + 1]) for number in range(len(bundles)))]
        self.in_force = self.programmes[0 if any(isinstance(r, ProgrammeApplied) for r in records) else 1]
        self.stored: dict[str, bytes] = {}
        self.tick_at: int | None = None
        self.links = LinkTable()
        self.output: list[Output] = []

    def take(self, record: LogRecord) -> None:
        """What the members stage does with a record."""
        if isinstance(record, Event):
            self.handle(self.identify(record))
        elif isinstance(record, Tick):
            for key in sorted(self.stored):
                if (due := decode(self.stored[key]).next_due()) is not None and due <= record.occurred_at:
                    self.do(key, lambda state: step.advance(self.in_force, state, record.occurred_at, wall=record.wall))
            self.tick_at = max(record.occurred_at, self.tick_at or record.occurred_at)
        else:
            programme, at = self.programmes[record.programme], record.occurred_at
            for key in sorted(self.stored):
                self.do(key, lambda state: step.advance(self.in_force, state, at, wall=False))
                self.do(key, lambda state: step.adopt(programme, state, at, tick_at=self.tick_at))
            self.in_force = programme

    def handle(self, event: Event) -> None:
        """An event, and what follows from it for other members."""
        output = self.do(event.key, lambda state: step.handle(self.in_force, state, event, tick_at=self.tick_at))
        for item in output:
            if isinstance(item, Event):
                whose = self.identify(item)
                if whose.key != event.key:
                    self.handle(whose)

    def identify(self, event: Event) -> Event:
        """As one of whose it is, once the states that are theirs are one."""
        found = identify(self.links, event, Naming(self.programmes[-1].policies.default_region))
        if found.changes is not None:
            self.links.take(found.changes)
        for gone, into in found.merges:
            if gone in self.stored:
                other, at, historical = decode(self.stored.pop(gone)), event.occurred_at, event.historical
                self.do(into, partial(self.merge, other=other, at=at, historical=historical))
        return msgspec.structs.replace(event, key=found.key)

    def merge(self, state: MemberState, other: MemberState, at: int, *, historical: bool) -> list[Output]:
        """A state as it was stored becomes part of another."""
        return merge(self.in_force, state, other, at, historical=historical, tick_at=self.tick_at)

    def do(self, key: str, action: Callable[[MemberState], list[Output]]) -> list[Output]:
        """One step on the state as it is stored."""
        state = decode(self.stored[key]) if key in self.stored else new(key)
        output = action(state)
        self.output += [item for item in output if not isinstance(item, Event)]
        self.stored[key] = encode(state)
        return output

    def time_passes(self, until: int) -> None:
        """Every timer fires by itself."""
        for key in sorted(self.stored):
            while (due := decode(self.stored[key]).next_due()) is not None and due <= until:
                self.do(key, lambda state, due=due: step.advance(self.in_force, state, due, wall=False))  # type: ignore[misc]


def run_live(programmes: list[dict[str, Any]], records: list[LogRecord], until: int) -> list[Output]:
    """All that follows from the records up to `until`."""
    worker = Worker(programmes, records)
    for record in records:
        if record.occurred_at <= until:
            worker.take(record)
    worker.time_passes(until)
    return worker.output


def loaded(programme: dict[str, Any]) -> Programme:
    """It alone, as the engine takes it."""
    return load([files_of(programme)])
