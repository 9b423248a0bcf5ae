"""What a stage of the pipeline must be able to do; `streams.runtime.host` calls it, always from one thread."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from streams.runtime.batch import Batch
from streams.runtime.group_offsets import Committed

Input = tuple[str, int]
"""A topic and one of its partitions; Faust's and aiokafka's own tuples for it are equal to it."""

FETCH_PAUSE_SECONDS = 0.02
"""About what a transaction takes: what comes meanwhile is asked for once, and makes up the next."""


def never() -> bool:
    """Say no."""
    return False


class Stage(Protocol):
    """One stage: reads its topics, puts out records, keeps what state it needs."""

    fetch_pause_seconds: float
    """How long to let records gather between two fetches: each costs this process and the broker something."""

    gives_way: Callable[[], bool]
    """Whether partitions are to be given away or the process to end: what is in hand is brought to its next commit,
    and no further. The host sets it; the stage asks it from its own thread."""

    @property
    def name(self) -> str:
        """Name it, as in metrics and logs."""

    @property
    def topics(self) -> Sequence[str]:
        """Name its input topics."""

    @property
    def is_undivided(self) -> bool:
        """Tell whether one process must have all partitions; the others wait to take its place."""

    def start(self) -> None:
        """Check what the stage needs and open its producer. Raises `RekindleError`."""

    def recover(self, partitions: Collection[int], abandoned: Callable[[], bool]) -> None:
        """Make the state of exactly these partitions ready; give up early when `abandoned` says so."""

    def open(self, committed: Mapping[Input, Committed | None]) -> Mapping[Input, int | None]:
        """Forget what was read of these inputs; answer where to start each, None for its beginning."""

    def read_from(self, positions: Mapping[Input, int]) -> None:
        """Learn the positions from which the inputs will be read."""

    def handle(self, batches: Sequence[Batch], group: bytes) -> None:
        """Handle batches in this order and commit them, together, as that member of the group."""

    def idle(self, group: bytes) -> bool:
        """Do what time alone asks for; called a few times a second, and again at once if the answer is true."""

    def held(self) -> Collection[Input]:
        """Tell the inputs that must not be fetched for now."""
        return ()

    def next_offsets(self) -> Mapping[Input, int]:
        """Tell for each input the offset up to which everything is handled."""

    def progress(self) -> Mapping[Input, int]:
        """Tell for each input a number that changes when it gets on; it may wait for others, and get on with them."""

    def close(self) -> None:
        """Close local state."""
