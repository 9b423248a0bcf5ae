"""Merges inputs by time, as far as it is known what comes next: those of one partition, or all that there are.

The next entry is the earliest among the first ones of all inputs; by equal times the order of their topics decides,
then the partition, then the offset. It is known only when every input either has an entry waiting or is at its end, so
an input with more to come holds the others back until it has arrived. What comes out is therefore a function of what
stands in the inputs, not of when it was fetched: a replay of stored history gives the same log each time.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.codec import Header
from streams.engine.events import LogRecord
from streams.errors import RekindleError
from streams.ingest.sealing import Sealing
from streams.runtime.stage import Input


@dataclass(slots=True)
class Entry:
    """One record on its way through: an event of which `facts` are known, or something of `control`.

    `reason` says why it goes to `dead.letters`, None that it doesn't. `sealing`: it is sealed, or ends what was sealed
    before; None that neither is so.
    """

    occurred_at: int
    rank: int
    record: Any
    facts: Header | None = None
    reason: str | None = None
    control: LogRecord | None = None
    sealing: Sealing | None = None

    @property
    def order(self) -> tuple[int, int, int, int]:
        """What the merge sorts by."""
        return self.occurred_at, self.rank, self.record.partition, self.record.offset


@dataclass(slots=True)
class _Source:
    next_offset: int  # of the first record that isn't in a committed transaction
    read_to: int  # where the next batch must join
    at_end: bool = False
    waiting: deque[Entry] = field(default_factory=deque)
    bytes: int = 0  # of the values that wait


class Merge:
    """Inputs, each with the position at which reading begins."""

    def __init__(self, positions: Mapping[Input, int]) -> None:
        self._inputs = {each: _Source(position, position) for each, position in positions.items()}

    def add(self, place: Input, start: int, end: int, entries: Iterable[Entry], *, at_end: bool) -> None:
        """Add what stands between two positions of an input; raises `RekindleError` if something before is missing."""
        source = self._inputs[place]
        if start > source.read_to:
            topic, partition = place
            raise RekindleError(f"records {source.read_to} to {start - 1} of {topic}/{partition} were never delivered")
        if end < source.read_to:
            return
        for entry in entries:
            if entry.record.offset >= source.read_to:
                source.waiting.append(entry)
                source.bytes += len(entry.record.value or b"")
        source.read_to = end
        source.at_end = at_end
        if not source.waiting:
            source.next_offset = end

    @property
    def waiting(self) -> int:
        """Count the entries that wait to be taken."""
        return sum(len(source.waiting) for source in self._inputs.values())

    @property
    def caught_up(self) -> bool:
        """Whether every input is at its end and nothing waits."""
        return all(source.at_end and not source.waiting for source in self._inputs.values())

    def take(self, entries_max: int, *, impatient: bool = False) -> Sequence[Entry]:
        """Take the next entries; `impatient` doesn't wait for an input that has more to come."""
        if not impatient and any(not source.waiting and not source.at_end for source in self._inputs.values()):
            return ()
        heads = [(source.waiting[0].order, place) for place, source in self._inputs.items() if source.waiting]
        heapq.heapify(heads)
        taken: list[Entry] = []
        while heads and len(taken) < entries_max:
            _, place = heads[0]
            source = self._inputs[place]
            entry = source.waiting.popleft()
            source.bytes -= len(entry.record.value or b"")
            taken.append(entry)
            if source.waiting:
                source.next_offset = entry.record.offset + 1
                heapq.heapreplace(heads, (source.waiting[0].order, place))
                continue
            source.next_offset = source.read_to
            heapq.heappop(heads)
            if not source.at_end and not impatient:
                break
        return taken

    def next_offsets(self) -> Mapping[Input, int]:
        """Return the offset to commit for each input once everything taken is committed."""
        return {place: source.next_offset for place, source in self._inputs.items()}

    def progress(self) -> Mapping[Input, int]:
        """Return for each input a number that changes when it gets on: by itself, or with all where it has its turn."""
        taken = sum(source.next_offset for source in self._inputs.values())
        return {place: taken if source.waiting else source.next_offset for place, source in self._inputs.items()}

    def full(self, entries_max: int, bytes_max: int) -> Sequence[Input]:
        """Name the inputs in which at least so many entries or bytes wait: no more of them is needed for now."""
        return [
            place
            for place, source in self._inputs.items()
            if len(source.waiting) >= entries_max or source.bytes >= bytes_max
        ]
