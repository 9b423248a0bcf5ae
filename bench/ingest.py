"""What the stages around the members' cost, in microseconds of processor time; no Kafka.

`ingest`: the benchmark's receipts through ingest itself (headers read, inputs merged, owners found), a producer
that drops what it is given. `a_profile`: one profile made of a state and encoded. `--profile` shows the functions of
ingest. `python -m bench.ingest` prints JSON.
"""

import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self

from bench.members import Programmes, measure
from bench.members import batches as log_batches
from bench.support.ground import PROGRAMME
from bench.support.receipts import Receipts
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.collect_garbage import collect_seldom
from streams.ingest.partitions import partition_of
from streams.ingest.stage import IngestStage
from streams.members.store import PartitionStore
from streams.profiles.make import profile_value
from streams.programme import read_directory
from streams.runtime.batch import Batch
from streams.settings import load

PARTITIONS = 4
BATCH = 5000
BATCHES = 16
TOPIC = "pos.receipts"


class Read(NamedTuple):
    """A record as the stage sees it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int


class Dropped:
    """A producer, its transaction and the follower of a changelog: takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.records = 0

    def begin(self) -> Self:
        """Open a transaction."""
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def produce(
        self, topic: str, value: bytes | None, key: bytes | None, *, partition: int = -1, timestamp: int = 0
    ) -> None:
        """Drop a record."""
        del topic, value, key, partition, timestamp
        self.records += 1

    def produce_changelog(self, topic: str, changes: Sequence[Any], *, partition: int) -> None:
        """Drop the changes of the table of links."""
        del topic, changes, partition

    def commit(self, offsets: Sequence[Any], group: bytes) -> dict[int, int]:
        """Drop the offsets."""
        del offsets, group
        return {0: 0}

    def consume(self, *_: object) -> list[Any]:
        """Bring nothing of the changelog."""
        return []

    def close(self) -> None:
        """Do nothing."""


def batches(codec: Codec) -> Iterator[Batch]:
    """The receipts of all partitions, a batch of each by turns."""
    waiting: list[list[Read]] = [[] for _ in range(PARTITIONS)]
    offsets = [0] * PARTITIONS
    for key, value, at in Receipts(codec).receipts(10**9):
        assert key is not None
        number = partition_of(key, PARTITIONS)
        waiting[number].append(Read(TOPIC, number, offsets[number], key, value, at))
        offsets[number] += 1
        if len(waiting[number]) == BATCH:
            records, waiting[number] = waiting[number], []
            yield Batch(TOPIC, number, records, records[0].offset, offsets[number], at_end=False)


def ingest_us(ready: Sequence[Batch], folder: Path, profile: cProfile.Profile | None) -> float:
    """Microseconds per event."""
    codec, dropped = Codec(CommittedSchemas()), Dropped()
    settings = load({"REKINDLE_CLOCK": "event", "REKINDLE_DATA_DIR": str(folder)})
    stage: Any = IngestStage(settings, None, codec, dropped, directory=folder)  # type: ignore[arg-type]
    stage._partitions = PARTITIONS  # noqa: SLF001 - what `start` and `recover` would ask Kafka for
    stage._links._store = PartitionStore(folder / "links")  # noqa: SLF001 - what `start` and `recover` would ask Kafka for
    stage._links._consumer = dropped  # noqa: SLF001 - what `start` and `recover` would ask Kafka for
    stage._regions = Programmes("RU")  # noqa: SLF001 - what `start` and `recover` would ask Kafka for
    inputs = [(topic, number) for topic in stage.topics for number in range(PARTITIONS)]
    stage.open(dict.fromkeys(inputs))
    stage.read_from(dict.fromkeys(inputs, 0))
    stage.handle([Batch(topic, number, [], 0, 0, at_end=True) for topic, number in inputs if topic != TOPIC], b"")
    began = 0.0
    collect_seldom()
    for number, batch in enumerate(ready):
        if number == BATCHES // 2:
            began, dropped.records = time.process_time(), 0
            if profile:
                profile.enable()
        stage.handle([batch], b"")
    spent = time.process_time() - began
    if profile:
        profile.disable()
    stage.close()
    return round(spent / dropped.records * 1e6, 2)


def profile_us(folder: Path) -> float:
    """Microseconds of a profile, of members as the benchmark's programme leaves them."""
    codec, store = Codec(CommittedSchemas()), PartitionStore(folder / "members")
    measure(list(islice(log_batches(codec), BATCHES // 2)), store, read_directory(PROGRAMME), warm_up=1)
    records = [record for _, record in store.members(b"")]
    store.close()
    profile_value(codec, records[0])
    began = time.process_time()
    for record in records:
        profile_value(codec, record)
    return round((time.process_time() - began) / len(records) * 1e6, 2)


def main() -> None:
    """Measure, or profile."""
    ready = list(islice(batches(Codec(CommittedSchemas())), BATCHES))
    profile = cProfile.Profile() if sys.argv[1:2] == ["--profile"] else None
    with tempfile.TemporaryDirectory() as folder:
        figures = {"ingest": ingest_us(ready, Path(folder), profile), "a_profile": profile_us(Path(folder))}
    print(json.dumps({"around_members_us": figures}))
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main()
