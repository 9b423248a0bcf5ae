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


class WaitingBatches:
    """A queue of batches with the generation under which each was fetched; `records_max` is a transaction's."""

    def __init__(self, records_max: int) -> None:
        self._records_max = records_max
        self._batches: deque[tuple[int, Batch]] = deque()
        self._records = 0
        self._changed = asyncio.Condition()

    async def put(self, generation: int, batch: Batch) -> None:
        """Add a batch, once there is room."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._records < self._records_max)
            self._batches.append((generation, batch))
            self._records += len(batch.records)
            self._changed.notify_all()

    async def take(self) -> tuple[int, Sequence[Batch]]:
        """Wait for a batch, and take it with those behind it; none is cut, those of a partition are joined."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._batches))
        if self._records < self._records_max:
            await asyncio.sleep(GATHER_SECONDS)
        async with self._changed:
            generation = self._batches[0][0]
            taken: list[Batch] = []
            records = 0
            while self._batches and self._batches[0][0] == generation:
                size = len(self._batches[0][1].records)
                if taken and records + size > self._records_max:
                    break
                taken.append(self._batches.popleft()[1])
                records += size
            self._records -= records
            self._changed.notify_all()
            return generation, joined(taken)
