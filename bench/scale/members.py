"""What an event costs a worker, and how much memory it takes, by the number of members: one process for each number.

    python -m bench.scale.members FOLDER MEMBERS [EVENTS]

Fills the stores of four partitions in FOLDER unless they are there (a process of its own, so that its memory isn't
counted), then lets receipts of members at random through the real step and store, without Kafka. Prints JSON:
microseconds of processor time per event of the thread that decides and of the whole process (RocksDB's compaction is
the difference), and the memory of the process (MiB).
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bench.members import BATCH, Programmes, Read
from bench.scale.crowd import PARTITIONS, fill, open_stores, programme_files, typical
from bench.support.receipts import Receipts
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.collect_garbage import collect_seldom
from streams.ingest.partitions import partition_of
from streams.members.engine import RealEngine
from streams.members.record import PROGRAMME, PROGRESS
from streams.members.stage import RECENT_MEMBERS_MAX
from streams.members.step import MemberStep, Part
from streams.members.store import PartitionStore

WARM_UP = 100_000
EVENTS = 100_000
MIB = 2**20


def memory_mib() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


class CommittingStep:
    """A step, `inner`, whose batches are committed each by itself."""

    def __init__(self, inner: MemberStep, flush: Callable[[Sequence[Part]], None]) -> None:
        self.inner = inner
        self._flush = flush

    def handle(self, records: Sequence[Any], end: int) -> None:
        """Handle records, `end` being the position after them, and commit."""
        self.inner.decide(records, end)
        self._flush([self.inner.part()])
        self.inner.committed()


def make_steps(
    stores: Sequence[PartitionStore], codec: Codec, told: list[bytes] | None = None
) -> Sequence[CommittingStep]:
    """The step of each partition; what it puts out is dropped, but for messages (`told`)."""
    engine = RealEngine()
    programmes: Any = Programmes(engine.load([dict(programme_files())], 1))

    def step_of(number: int, store: PartitionStore) -> CommittingStep:
        def flush(parts: Sequence[Part]) -> None:
            ((_, overlay, effects, next_offset),) = parts
            if told is not None:
                told.extend(record.value for record in effects.records if record.topic == "send.sms")
            meta = {PROGRAMME: b"1", PROGRESS: b"%d" % next_offset, **effects.meta}
            store.write([*overlay.changes(), *((key, value, None) for key, value in meta.items())], next_offset)

        recent = RECENT_MEMBERS_MAX // len(stores)
        step = MemberStep(
            number, store, codec=codec, engine=engine, programmes=programmes, flush=flush, recent_max=recent
        )
        return CommittingStep(step, flush)

    return [step_of(number, store) for number, store in enumerate(stores)]


def measure(folder: Path, members: int, events: int) -> dict[str, float]:
    """Cost and memory."""
    codec = Codec(CommittedSchemas())
    stores = open_stores(folder)
    offset = max(int(store.meta(PROGRESS) or 0) for store in stores)  # those before are in these stores
    source = Receipts(codec).of_members(members, seed=members, start=offset)
    steps = make_steps(stores, codec)
    collect_seldom()
    empty = memory_mib()
    seconds, waiting = [0.0, 0.0], [list[Read]() for _ in stores]
    handled, peak = 0, 0.0
    while handled < WARM_UP + events:
        for key, value, _ in islice(source, BATCH):
            assert key is not None
            waiting[partition_of(key, PARTITIONS)].append(Read(offset, key, value))
            offset += 1
        for step, batch in zip(steps, waiting, strict=True):
            if len(batch) >= BATCH:
                thread, process = time.thread_time(), time.process_time()
                step.handle(batch, batch[-1].offset + 1)
                if handled >= WARM_UP:
                    seconds[0] += time.thread_time() - thread
                    seconds[1] += time.process_time() - process
                handled += len(batch)
                batch.clear()
                peak = max(peak, memory_mib())
    counted = handled - WARM_UP
    found = {
        "thread_us": seconds[0] / counted * 1e6,
        "process_us": seconds[1] / counted * 1e6,
        "memory_without_members_mib": empty,
        "memory_mib": peak,
        "disk_mib": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / MIB,
    }
    for store in stores:
        store.close()
    return {name: round(value, 1) for name, value in found.items()}


def prepare(folder: Path, members: int) -> None:
    """Fill the stores unless that was done."""
    done = folder / "filled"
    if done.exists():
        return
    first = next(Receipts(Codec(CommittedSchemas())).of_members(members, seed=members))
    stores = open_stores(folder)
    began = time.perf_counter()
    size = fill(stores, members, typical(first.at))
    for store in stores:
        store.close()
    seconds = time.perf_counter() - began
    print(f"  {members} members of {size / members:.0f} bytes written in {seconds:.0f} s", file=sys.stderr, flush=True)
    done.touch()


def main() -> None:
    """Fill in a child, measure here."""
    folder, members = Path(sys.argv[1]), int(sys.argv[2])
    if sys.argv[3:] == ["--fill"]:
        prepare(folder, members)
        return
    subprocess.run([sys.executable, "-m", "bench.scale.members", str(folder), str(members), "--fill"], check=True)
    events = int(sys.argv[3]) if sys.argv[3:] else EVENTS
    print(json.dumps({"members": members, **measure(folder, members, events)}))


if __name__ == "__main__":
    main()
