"""What a stage handles at once: the records of one partition that one fetch brought, with the positions around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of a partition, in order, none skipped between `start` and `end`.

    `start` is the position before the first record and `end` the one after the last; offsets in between may be missing
    (markers of transactions, aborted or compacted records). `at_end` says that the partition held no more when the
    broker was last heard. A batch without records tells only that.
    """

    topic: str
    partition: int
    records: Sequence[Any]
    start: int
    end: int
    at_end: bool
