"""How long other members wait while a tick works through many due timers, and how soon a timer fires: no Kafka.

    python -m bench.scale.tick [MEMBERS]

A million members of one partition (by default) have a timer due at one moment. Its tick comes; from then on batches
of receipts and ticks a second apart come at an even pace, while the step works off what is due, as the host lets it: a
portion before each batch, and one after the other in between. An event waits from when it is there until its batch is
done. Prints JSON: the longest wait and the longest portion (ms, by the wall clock, and by processor time), how long
all took and how many members a second were fired. At the end every member must have been told once.
"""

import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from bench.members import Read
from bench.scale.crowd import fill, open_stores, typical
from bench.scale.members import make_steps
from bench.support.ground import DAY_MS
from bench.support.receipts import Receipts
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.collect_garbage import collect_seldom
from streams.engine.events import Tick

MEMBERS = 10**6
RECEIPTS = 100
BATCH_EVERY_S = 0.1
TICK_EVERY = 10
WAIT_DAYS = 14
"""What the programme's journey waits for after the last purchase."""


class Longest:
    """The longest of what was timed, by the wall clock and by processor time."""

    def __init__(self) -> None:
        self.wall_s = self.processor_s = 0.0

    def add(self, wall_s: float, processor_s: float) -> None:
        """Take one."""
        self.wall_s, self.processor_s = max(self.wall_s, wall_s), max(self.processor_s, processor_s)

    def figures(self, name: str) -> dict[str, float]:
        """In ms."""
        return {f"{name}_ms": round(self.wall_s * 1000), f"{name}_processor_ms": round(self.processor_s * 1000)}


def measure(folder: Path, members: int) -> dict[str, float]:
    """Everything."""
    codec = Codec(CommittedSchemas())
    receipts = Receipts(codec)
    now = next(receipts.of_members(members, seed=1)).at
    told: list[bytes] = []
    stores = open_stores(folder, 1)
    fill(stores, members, typical(now, same_due=True))
    (step,) = make_steps(stores, codec, told=told)
    collect_seldom()
    due = now - DAY_MS + WAIT_DAYS * DAY_MS
    source = receipts.of_members(members, seed=2, start=(due - now) // 1000)
    waits, portions = Longest(), Longest()
    offset, began = 1, time.monotonic()
    step.handle([Read(0, None, codec.encode(Tick(occurred_at=due, wall=True)))], 1)
    arrives, batches = began + BATCH_EVERY_S, 0
    while step.inner.is_behind:
        if time.monotonic() < arrives:
            wall, processor = time.monotonic(), time.thread_time()
            step.inner.work_off(offset)
            portions.add(time.monotonic() - wall, time.thread_time() - processor)
            continue
        processor = time.thread_time()
        batch = [Read(offset + number, key, value) for number, (key, value, _) in enumerate(islice(source, RECEIPTS))]
        batches += 1
        if batches % TICK_EVERY == 0:
            tick = Tick(occurred_at=due + 1000 * RECEIPTS * batches, wall=True)
            batch.append(Read(offset + len(batch), None, codec.encode(tick)))
        offset += len(batch)
        step.handle(batch, offset)
        waits.add(time.monotonic() - arrives, time.thread_time() - processor)
        arrives = max(arrives + BATCH_EVERY_S, time.monotonic())
    took = time.monotonic() - began
    for store in stores:
        store.close()
    assert len(told) == len(set(told)), "a message went out twice"  # its id is in it
    return {
        "members": members,
        **waits.figures("longest_wait"),
        **portions.figures("longest_portion"),
        "seconds": round(took, 1),
        "members_per_s": round(members / took),
        "messages": len(told),
    }


def main() -> None:
    """Measure in a folder that is deleted afterwards."""
    members = int(sys.argv[1]) if sys.argv[1:] else MEMBERS
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), members)))


if __name__ == "__main__":
    main()
