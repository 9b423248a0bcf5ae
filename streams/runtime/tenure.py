"""The time for which a stage has its partitions: from the moment their state is ready until they are dealt out anew.

The steps, each under the number (generation) that the group gave to the deal:

1. `recover`          once nothing of a predecessor is pending, the state of exactly these partitions is brought up to
                      its changelog
2. `find_positions`   reading begins at the decided commits; from here on batches are taken
3. `takes`            a batch of another deal is dropped: its records come again to whoever owns them now

Knows nothing of Faust and of threads, so that the simulation of the pipeline runs it, too.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from streams.runtime.group_offsets import GroupOffsets
from streams.runtime.stage import Input, Stage

logger = logging.getLogger(__name__)


class Tenure:
    """One stage's hold of its partitions."""

    def __init__(self, stage: Stage, offsets: GroupOffsets) -> None:
        self._stage = stage
        self._offsets = offsets
        self.recovered: int | None = None  # the deal whose state is ready
        self.generation: int | None = None  # the one whose positions are sought, too: batches may come

    def end(self) -> None:
        """Take no more batches until there is a new deal."""
        self.recovered = self.generation = None

    def recover(self, generation: int, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Make the state of exactly these partitions ready; `abandoned` says that the deal is over already."""
        self.end()
        # Until nothing is pending: a predecessor whose offsets were taken, but whose records are still on their way,
        # may commit them behind the fence that the stage is about to write.
        self._offsets.committed([(topic, partition) for topic in self._stage.topics for partition in partitions])
        self._stage.recover(partitions, abandoned)
        if not abandoned():
            self.recovered = generation

    def find_positions(self, generation: int, assigned: Collection[Input]) -> Mapping[Input, int]:
        """Return where to start each input: at its decided commit, where the stage says, else at its beginning."""
        if generation != self.recovered:
            return {}  # recovery asks again
        starts = self._stage.open(self._offsets.committed(assigned))
        found = {}
        for each in assigned:
            start = starts.get(each)
            beginning = self._offsets.beginning(*each)
            if start is not None and start < beginning:
                logger.warning(
                    "%s/%d begins at %d, later than %d: its retention was too short", *each, beginning, start
                )
            found[each] = beginning if start is None else max(start, beginning)
        self._stage.read_from(found)
        self.generation = generation
        return found

    def takes(self, generation: int, current: int) -> bool:
        """Tell whether a batch fetched under one deal may be handled while the client is in another."""
        return generation == self.generation == current
