"""How fast a worker without local state gets a partition back from its changelog: records a second.

The changelog holds members' states as the benchmark's programme leaves them (about 500 bytes each), every member four
times over, as one that wasn't compacted yet. What is timed is the stage's own recovery: fence, read, RocksDB, index.
Its processor time is that of all its threads, the client's and RocksDB's among them.
"""

import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from bench.support.ground import PROGRAMME, Ground
from streams.engine import step
from streams.engine.events import Event
from streams.engine.state import new
from streams.engine.state_bytes import encode
from streams.members.record import pack
from streams.members.recover import recover_partition, write_fences
from streams.members.store import PartitionStore
from streams.programme import load, read_directory

TOPIC = "bench.changelog"
MEMBERS = 200_000
VERSIONS = 4
PURCHASES = 6
DAY_MS = 86_400_000


def record() -> bytes:
    """A member after some purchases."""
    programme = load([read_directory(PROGRAMME)])
    member = new("m0000000")
    for number in range(PURCHASES):
        body = {"total": Decimal(number + 1), "receipt_id": "31198570044", "store_id": "330", "pos_id": "330-5"}
        header = {"event_id": f"0-0-{number}", "source": "pos", "key": "m0000000", "member_id": "m0000000"}
        at = 1_500_000_000_000 + number * DAY_MS
        step.handle(programme, member, Event(**header, type="purchase_completed", occurred_at=at, body=body))  # type: ignore[arg-type]
    return pack(member.next_due(), encode(member))


def measure(directory: Path) -> dict[str, float]:
    """Records a second, of one partition, and how large they were."""
    ground = Ground(directory)
    try:
        ground.create(TOPIC, 1)
        value = record()
        ground.publish_all(TOPIC, ((b"m%07d" % member, value) for _ in range(VERSIONS) for member in range(MEMBERS)))
        store = PartitionStore(directory / "state")
        began, cpu_began = time.perf_counter(), time.process_time()
        fences = write_fences(ground.kafka, TOPIC, [0])
        read = recover_partition(
            ground.kafka, TOPIC, 0, store, stage="members", fence=fences[0], abandoned=lambda: False
        )
        seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
        assert read == MEMBERS * VERSIONS + 1, read
        store.close()
    finally:
        ground.close()
    cpu_us = round(cpu_seconds / read * 1e6, 2)
    return {"records_per_s": round(read / seconds), "cpu_us_per_record": cpu_us, "record_bytes": len(value)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({"recovery": measure(Path(folder))}))
