"""One partition of the log in memory, as Kafka keeps it: offsets with gaps, and what a reader may see of it.

A transaction's records stand in the partition before it is decided; a marker behind them, with an offset of its own,
says how it ended. A reader of committed records stops at the last stable offset, before the first record of a
transaction that is open; markers and what was aborted are passed over.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

_offset = attrgetter("offset")


@dataclass(slots=True)
class Stored:
    """A record. `timestamp` is in milliseconds since the epoch, `producer` that of a transaction."""

    offset: int
    key: bytes | None
    value: bytes | None
    timestamp: int
    producer: int | None = None
    is_marker: bool = False
    aborted: bool = False
    headers: Sequence[tuple[str, bytes]] = ()


class Partition:
    """`start` is the first offset that it still has, `end` the one behind the last."""

    def __init__(self) -> None:
        self.start = 0
        self.end = 0
        self.records: list[Stored] = []
        self._open: dict[int, int] = {}  # producer of a transaction to its first offset

    @property
    def stable_end(self) -> int:
        """The last stable offset: nothing before it is undecided."""
        return min(self._open.values(), default=self.end)

    def append(
        self,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        producer: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> int:
        """Append a record; returns its offset."""
        if producer is not None:
            self._open.setdefault(producer, self.end)
        self.records.append(Stored(self.end, key, value, timestamp, producer, headers=headers))
        self.end += 1
        return self.end - 1

    def mark(self, producer: int, *, committed: bool, timestamp: int) -> None:
        """Decide the open transaction of a producer."""
        first = self._open.pop(producer, None)
        if first is not None and not committed:
            for record in self.records[bisect_left(self.records, first, key=_offset) :]:
                record.aborted |= record.producer == producer and not record.is_marker
        self.records.append(Stored(self.end, None, None, timestamp, producer, is_marker=True))
        self.end += 1

    def read(self, position: int, records_max: int, *, committed: bool) -> tuple[list[Stored], int]:
        """Return the next visible records, and the position behind everything that was looked at."""
        limit = self.stable_end if committed else self.end
        found: list[Stored] = []
        index = bisect_left(self.records, position, key=_offset)
        while index < len(self.records) and self.records[index].offset < limit and len(found) < records_max:
            record = self.records[index]
            if not record.is_marker and not (committed and record.aborted):
                found.append(record)
            position = record.offset + 1
            index += 1
        if len(found) < records_max:
            position = max(position, limit)
        return found, position

    def committed(self) -> Sequence[Stored]:
        """Return every committed record that it still has."""
        return self.read(self.start, len(self.records) + 1, committed=True)[0]

    def delete_before(self, offset: int) -> None:
        """Delete records, as retention does, or someone on purpose."""
        self.start = max(self.start, offset)
        del self.records[: bisect_left(self.records, self.start, key=_offset)]

    def compact(self, *, drop_tombstones: bool = False) -> None:
        """Keep the last committed record of each key among the stable ones; start, end and offsets don't move.

        `drop_tombstones`: those of deleted keys have stood for so long that they go, too.
        """
        stable_end = self.stable_end
        last = {record.key: record.offset for record in self._live() if record.offset < stable_end}
        self.records = [
            record
            for record in self.records
            if record.offset >= stable_end
            or (
                last.get(record.key) == record.offset
                and not (record.is_marker or record.aborted)
                and not (drop_tombstones and record.value is None)
            )
        ]

    def _live(self) -> Iterable[Stored]:
        return (record for record in self.records if not record.is_marker and not record.aborted)
