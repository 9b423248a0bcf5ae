"""What a stage handles at once: the records of one partition that one fetch brought, with the positions around them."""

from collections.abc import Iterable, Sequence
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


def joined(batches: Iterable[Batch]) -> list[Batch]:
    """Make one batch of those of a partition that follow each other: what a batch costs by itself is paid once."""
    found: dict[tuple[str, int], list[list[Batch]]] = {}
    for batch in batches:
        runs = found.setdefault((batch.topic, batch.partition), [])
        if runs and runs[-1][-1].end == batch.start:
            runs[-1].append(batch)
        else:
            runs.append([batch])
    return [run[0] if len(run) == 1 else _join(run) for runs in found.values() for run in runs]


def _join(run: Sequence[Batch]) -> Batch:
    first, last = run[0], run[-1]
    records = [record for batch in run for record in batch.records]
    return Batch(first.topic, first.partition, records, first.start, last.end, last.at_end)
