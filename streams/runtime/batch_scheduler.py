"""One Faust event for a whole fetched batch of a partition, instead of one for each record.

Faust asks its consumer for records and has a scheduler deal them out, one message each: two tasks per message. Here
the consumer (`streams.runtime.consumer`) returns `Fetched`, and the scheduler deals out batches of bounded size. A
batch wears the shape of one record, so that everything in Faust between consumer and agent works as it does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from faust.types import TP

from streams.runtime.batch import Batch


@dataclass(frozen=True, slots=True)
class Position:
    """Where the reading of a partition stands, before and after a fetch, and whether that is its end."""

    start: int
    end: int
    at_end: bool


class Fetched(dict[TP, list[Any]]):
    """The records of one fetch by partition, with the positions of every partition that there is news of."""

    positions: Mapping[TP, Position]


class BatchRecord:
    """A batch in the shape of a record of the consumer; its offset is that of the last record."""

    __slots__ = ("offset", "partition", "topic", "value")
    timestamp = None
    timestamp_type = None
    headers = ()
    key = None
    checksum = None
    serialized_key_size = 0
    serialized_value_size = 0

    def __init__(self, batch: Batch) -> None:
        self.topic = batch.topic
        self.partition = batch.partition
        self.offset = batch.records[-1].offset if batch.records else batch.end
        self.value = batch


class BatchScheduler:
    """Deals out batches of at most `records_max` records; what Faust calls a scheduling strategy."""

    records_max = 5000

    def iterate(self, fetched: Mapping[TP, list[Any]]) -> Iterator[tuple[TP, BatchRecord]]:
        """Yield every batch of a fetch with its partition."""
        if not isinstance(fetched, Fetched):  # Faust doesn't ask the consumer while it has no partitions
            assert not fetched
            return
        for tp, position in fetched.positions.items():
            for batch in batches(tp, fetched.get(tp, []), position, self.records_max):
                yield tp, BatchRecord(batch)


def batches(tp: TP, records: list[Any], position: Position, records_max: int) -> Iterator[Batch]:
    """Cut the records of a partition into batches that join without a gap."""
    start = position.start
    for first in range(0, max(len(records), 1), records_max):
        part = records[first : first + records_max]
        last = first + records_max >= len(records)
        end = position.end if last else part[-1].offset + 1
        yield Batch(tp.topic, tp.partition, part, start, end, position.at_end and last)
        start = end
