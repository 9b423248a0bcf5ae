"""What waits for ClickHouse: the records of one partition, cut into batches.

A batch is a range of offsets of one partition. It begins where the one before ended and goes as far as the sink that
formed it had read; how far, is decided once and for all in ClickHouse (`sinks.clickhouse.batches`). Whoever comes to
the same first offset afterwards, this sink after a crash or another one after a rebalance, forms the same batch.

Pure: no Kafka, no ClickHouse, no clock; times are seconds of a monotonic clock that the caller passes in.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple


class Stored(NamedTuple):
    """A record as Kafka has it. `timestamp` is in milliseconds since the epoch.

    `sent_on`: of the log, it stands there under another key, too (`streams.topics.SENT_ON`).
    """

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    sent_on: bool = False

    @property
    def size(self) -> int:
        """Bytes of key and value."""
        return len(self.key or b"") + len(self.value or b"")


@dataclass(frozen=True, slots=True)
class Batch:
    """The offsets `first` to `last` of a partition; `records` are those among them that exist.

    `decided` says that the range stands in ClickHouse already. `suspect` says that the batch may have been inserted
    before, wholly or in part.
    """

    topic: str
    partition: int
    first: int
    last: int
    records: tuple[Stored, ...]
    decided: bool
    suspect: bool

    @property
    def token(self) -> str:
        """The deduplication token, the same for everyone who forms this batch."""
        return f"{self.topic}/{self.partition}/{self.first}-{self.last}"


@dataclass(slots=True)
class Limits:
    """When a batch is full, and how long a record waits for others."""

    records_max: int = 20_000
    bytes_max: int = 8 << 20
    linger_s: float = 1.0


@dataclass(slots=True)
class Backlog:
    """The records of one partition that are read and not yet in ClickHouse.

    `first` is the offset at which the next batch begins, `decided_last` where it ends if that is decided.
    """

    topic: str
    partition: int
    first: int
    decided_last: int | None = None
    suspect: bool = False
    writing: bool = False
    bytes: int = 0
    _records: deque[Stored] = field(default_factory=deque)
    _since: float = 0.0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Iterable[Stored], now: float) -> None:
        """Take up what was read; what lies before the next batch (already inserted) is passed over."""
        for record in records:
            expected = self._records[-1].offset + 1 if self._records else self.first
            if record.offset < expected:
                continue
            if not self._records:
                self._since = now
            self._records.append(record)
            self.bytes += record.size

    def due(self, now: float, limits: Limits, *, draining: bool = False) -> bool:
        """Whether a batch should be written now."""
        if self.writing or not self._records:
            return False
        if self.decided_last is not None:
            return self._records[-1].offset >= self.decided_last
        full = len(self._records) >= limits.records_max or self.bytes >= limits.bytes_max
        return full or draining or now - self._since >= limits.linger_s

    def full(self, limits: Limits) -> bool:
        """Whether to read no more for now. A batch whose end is decided must be read up to it, whatever its size."""
        if self.decided_last is not None and (not self._records or self._records[-1].offset < self.decided_last):
            return False
        return len(self._records) >= 2 * limits.records_max or self.bytes >= 2 * limits.bytes_max

    def take(self, limits: Limits) -> Batch:
        """Form the next batch. Its records stay here until `written`."""
        assert self._records
        assert not self.writing
        records: list[Stored] = []
        size = 0
        for record in self._records:
            if self.decided_last is not None:
                if record.offset > self.decided_last:
                    break
            elif records and (len(records) >= limits.records_max or size + record.size > limits.bytes_max):
                break
            records.append(record)
            size += record.size
        self.writing = True
        decided = self.decided_last is not None
        last = self.decided_last if self.decided_last is not None else records[-1].offset
        return Batch(self.topic, self.partition, self.first, last, tuple(records), decided, self.suspect)

    def written(self, last: int, now: float) -> None:
        """Go on behind `last`, since the batch up to it is in ClickHouse."""
        while self._records and self._records[0].offset <= last:
            self.bytes -= self._records.popleft().size
        self.first, self.decided_last, self.suspect, self.writing = last + 1, None, False, False
        self._since = now

    def postponed(self, decided_last: int) -> None:
        """Form the batch anew, since by an earlier decision it ends elsewhere."""
        self.decided_last, self.suspect, self.writing = decided_last, True, False
