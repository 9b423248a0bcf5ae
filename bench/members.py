"""Where the members stage spends its time, per event, in microseconds of processor time; no Kafka.

A partition's share of the benchmark's log, in batches as a busy worker gets them, through the real
step, codec, engine and store; the producer alone is left out (it takes what it is given and drops it). `--profile`
shows the functions. `encode` is what the commit still writes of states; most are written in between, which is part of
`engine_and_commands`. `python -m bench.members` prints JSON.
"""

import cProfile
import json
import pstats
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from bench.support.ground import DAY_MS, PROGRAMME
from bench.support.receipts import Receipts, Record
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.collect_garbage import collect_seldom
from streams.engine.events import Tick
from streams.ingest.partitions import partition_of
from streams.members.engine import RealEngine
from streams.members.overlay import Overlay
from streams.members.stage import RECENT_MEMBERS_MAX
from streams.members.step import MemberStep, Part
from streams.members.store import PartitionStore
from streams.programme import read_directory

PARTITIONS = 4
BATCH = 5000
WARM_UP = 8
MEASURED = 12
RECENT = RECENT_MEMBERS_MAX // PARTITIONS


class Read(NamedTuple):
    """A record as the step sees it."""

    offset: int
    key: bytes | None
    value: bytes


class Clocked:
    """Counts the processor time of what it wraps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def wrap(self, owner: Any, name: str, label: str) -> None:
        """Count the calls of a method."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return inner(*arguments, **options)
            finally:
                self.seconds[label] = self.seconds.get(label, 0.0) + time.thread_time() - began

        setattr(owner, name, timed)


class Programmes:
    """One programme, whatever number is asked for."""

    def __init__(self, programme: Any) -> None:
        self._programme = programme

    def get(self, number: int) -> Any:
        """The one programme."""
        del number
        return self._programme


def batches(codec: Codec) -> Iterator[Sequence[Read]]:
    """The records of one partition."""
    receipts = Receipts(codec)
    day, offset = 0, 0
    batch: list[Read] = []

    def records() -> Iterator[Record]:
        nonlocal day
        yield from receipts.registrations()
        for record in receipts.receipts(10**9):
            if record.at // DAY_MS > day:
                day = record.at // DAY_MS
                yield Record(None, codec.encode(Tick(occurred_at=day * DAY_MS, wall=False)), day * DAY_MS)
            yield record

    for key, value, _ in records():
        if key is None or partition_of(key, PARTITIONS) == 0:
            batch.append(Read(offset, key, value))
            offset += 1
            if len(batch) == BATCH:
                yield batch
                batch = []


def measure(
    ready: Sequence[Sequence[Read]],
    store: PartitionStore,
    bundle: Mapping[str, str],
    *,
    warm_up: int = WARM_UP,
    profile: cProfile.Profile | None = None,
) -> dict[str, float]:
    """Microseconds per event by step, and what came out per event. The first batches don't count."""
    engine, codec = RealEngine(), Codec(CommittedSchemas())
    clocked, counts = Clocked(), {"commands": 0, "changes": 0, "bytes": 0}
    began = 0.0

    def flush(parts: Sequence[Part]) -> None:
        ((_, overlay, effects, next_offset),) = parts
        began = time.thread_time()
        changes = [*overlay.changes(), *((key, value, None) for key, value in effects.meta.items())]
        encoded = time.thread_time()
        store.write(changes, next_offset)
        clocked.seconds["encode"] = clocked.seconds.get("encode", 0.0) + encoded - began
        clocked.seconds["store"] = clocked.seconds.get("store", 0.0) + time.thread_time() - encoded
        counts["commands"] += len(effects.records)
        counts["changes"] += len(changes)
        counts["bytes"] += sum(len(value or b"") for _, value, _ in changes)

    programmes: Any = Programmes(engine.load([dict(bundle)], 1))
    clocked.wrap(codec, "decode_log", "decode")
    clocked.wrap(Overlay, "load", "load")
    step = MemberStep(0, store, codec=codec, engine=engine, programmes=programmes, flush=flush, recent_max=RECENT)
    events = 0
    collect_seldom()
    for number, batch in enumerate(ready):
        if number == warm_up:
            clocked.seconds.clear()
            counts.update(dict.fromkeys(counts, 0))
            events, began = 0, time.thread_time()
            if profile:
                profile.enable()
        step.decide(batch, batch[-1].offset + 1)
        flush([step.part()])
        step.committed()
        events += len(batch)
    whole = time.thread_time() - began
    if profile:
        profile.disable()
    found = {name: seconds / events * 1e6 for name, seconds in clocked.seconds.items()}
    found["engine_and_commands"] = whole / events * 1e6 - sum(found.values())
    found["whole"] = whole / events * 1e6
    found |= {f"{name}_per_event": count / events for name, count in counts.items()}
    return {name: round(value, 2) for name, value in found.items()}


def main() -> None:
    """Measure, or profile."""
    ready = list(islice(batches(Codec(CommittedSchemas())), WARM_UP + MEASURED))
    profile = cProfile.Profile() if sys.argv[1:2] == ["--profile"] else None
    with tempfile.TemporaryDirectory() as folder:
        store = PartitionStore(Path(folder) / "state")
        print(json.dumps({"member_stage_us": measure(ready, store, read_directory(PROGRAMME), profile=profile)}))
        store.close()
    if profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)


if __name__ == "__main__":
    main()
