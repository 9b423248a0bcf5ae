"""Batches between the reader and the stage: few and bounded, and taken together, to be one transaction.

Whoever puts waits while a transaction's records are there already, so that what is in memory stays bounded; whoever
takes gets what there is, in order, but no more than makes up a transaction, and of one deal of the partitions alone.

While a transaction is committed, many small fetches of a partition gather: they are taken as one batch, since decoding
columns has a price per batch. What one fetch brought of several partitions comes in one by one within a fraction of a
millisecond. So the taker gives them that time: the first would be a transaction alone, and its siblings would wait for
that to be committed.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from streams.runtime.batch import Batch, joined

GATHER_SECONDS = 0.001
BYTES_MAX = 64 * 1024 * 1024


class WaitingBatches:
    """A queue of batches with the generation under which each was fetched; both bounds are a transaction's."""

    def __init__(self, records_max: int, bytes_max: int = BYTES_MAX) -> None:
        self._records_max = records_max
        self._bytes_max = bytes_max
        self._batches: deque[tuple[int, int, Batch]] = deque()  # generation and bytes in front
        self._records = 0
        self._bytes = 0  # of their values
        self._changed = asyncio.Condition()

    @property
    def is_empty(self) -> bool:
        """Whether no batch waits."""
        return not self._batches

    def _has_room(self) -> bool:
        return self._records < self._records_max and self._bytes < self._bytes_max

    async def put(self, generation: int, batch: Batch) -> None:
        """Add a batch, once there is room."""
        size = sum(len(record.value or b"") for record in batch.records)
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            self._batches.append((generation, size, batch))
            self._records += len(batch.records)
            self._bytes += size
            self._changed.notify_all()

    async def take(self) -> tuple[int, Sequence[Batch]]:
        """Wait for a batch, and take it with those behind it; none is cut, those of a partition are joined."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._batches))
        if self._has_room():
            await asyncio.sleep(GATHER_SECONDS)
        async with self._changed:
            generation = self._batches[0][0]
            taken: list[Batch] = []
            records = size = 0
            while self._batches and self._batches[0][0] == generation:
                _, more, batch = self._batches[0]
                if taken and (records + len(batch.records) > self._records_max or size + more > self._bytes_max):
                    break
                self._batches.popleft()
                taken.append(batch)
                records += len(batch.records)
                size += more
            self._records -= records
            self._bytes -= size
            self._changed.notify_all()
            return generation, joined(taken)
