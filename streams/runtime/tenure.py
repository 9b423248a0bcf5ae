"""The time for which a stage has its partitions: from the moment their state is ready until they are dealt out anew.

The steps, each under the number (generation) that the group gave to the deal:

1. `recover`          once nothing of a predecessor is pending, the state of exactly these partitions is brought up to
                      its changelog
2. `find_positions`   reading begins at the decided commits; from here on batches are taken. Where Kafka has lost the
                      end of an input, it begins at what is the end now: new records would be taken for old ones
3. `takes`            a batch of another deal is dropped: its records come again to whoever owns them now

Knows nothing of Faust and of threads, so that the simulation of the pipeline runs it, too.
"""

import logging
from collections.abc import Callable, Collection, Mapping

from streams.errors import RekindleError
from streams.runtime.group_offsets import Committed, GroupOffsets
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
        committed = self._offsets.committed(assigned)
        starts = self._stage.open(committed)
        found = {each: self._position(each, starts.get(each), committed[each]) for each in assigned}
        self._stage.read_from(found)
        self.generation = generation
        return found

    def _position(self, place: Input, start: int | None, committed: Committed | None) -> int:
        """Return where to start an input that is handled up to `start`. Raises `RekindleError` if it is another one."""
        beginning, decided = self._offsets.bounds(*place)
        if start is None:
            return beginning
        if start < beginning:
            logger.warning("%s/%d begins at %d, later than %d: its retention was too short", *place, beginning, start)
            return beginning
        end = start if start <= decided else self._offsets.end(*place)
        if start > end and committed is None:
            topic, partition = place
            raise RekindleError(
                f"{topic}/{partition} ends at {end}, but the state has handled it up to {start}: the topic was made "
                "anew, and the state's changelog wasn't; see docs/operations.md"
            )
        if start > end:
            logger.error(
                "%s/%d ends at %d, but is handled up to %d: Kafka has lost its end, and what comes now is taken from "
                "there on; see docs/operations.md",
                *place,
                end,
                start,
            )
        return min(start, end)

    def takes(self, generation: int, current: int) -> bool:
        """Tell whether a batch fetched under one deal may be handled while the client is in another."""
        return generation == self.generation == current
