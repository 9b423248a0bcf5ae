"""`make bench-scale`: how the cost of an event grows with members and campaigns, and what a second worker adds.

Members: the stores of four partitions are filled with so many, of three timers each, then receipts of members at random
go through the real step (`bench.scale.members`); up to ten million, or `--members-max`. Campaigns: the benchmark's own
and so many that listen to something else. Both count processor time alone, without Kafka. Due: how long others wait
while a tick works off a million members (`bench.scale.tick`). Workers: the
members stage of one and of two workers on the same log, events a second; two cores for both and the broker are too few
to double it. Draws build/scale.svg, writes build/scale.json.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from bench.members import BATCH, Read, measure
from bench.recovery import record
from bench.scale.draw import draw
from bench.support.contestants import rekindle
from bench.support.ground import PROGRAMME, Ground
from bench.support.receipts import Receipts
from bench.throughput import measure as measure_rate
from bench.throughput import running
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.members.store import PartitionStore
from streams.programme import read_directory

BUILD = Path(__file__).parent.parent.parent / "build"
WARM_UP = 2
MEASURED = 4
FILL = 20_000
CAMPAIGNS = (1, 10, 100, 1000)
CROWD_MEMBERS = 10_000


def by_members(most: int) -> dict[int, dict[str, float]]:
    """What an event costs, and the memory of the process, by the number of members; each in a process of its own."""
    found = {}
    for size in (size for size in (10**4, 10**5, 10**6, 10**7) if size <= most):
        with tempfile.TemporaryDirectory() as folder:
            found[size] = _run("bench.scale.members", folder, str(size))
    return found


def _run(module: str, *arguments: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, check=True)
    print(f"  {done.stdout.decode().strip()}", file=sys.stderr, flush=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def by_campaigns(receipts: Receipts) -> dict[int, float]:
    """Microseconds per event by the number of campaigns."""
    return {number: _cost(receipts, CROWD_MEMBERS, _crowd(number)) for number in CAMPAIGNS}


def by_workers(receipts: Receipts, seconds: float) -> dict[int, float]:
    """Events a second of one and of two workers."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        try:
            skip = ground.publish_log(receipts, round(60_000 * seconds))
            for workers in (1, 2):
                first = rekindle(ground, f"scale-{uuid.uuid4().hex[:8]}")
                name = f"{first.environment['REKINDLE_INSTANCE']}-second"
                data = str(ground.directory / name)
                other = {"REKINDLE_INSTANCE": name, "REKINDLE_DATA_DIR": data}
                if workers == 1:
                    found[1] = measure_rate(ground, first, skip=skip, warm_up_s=seconds / 3, seconds=seconds).rate
                    continue
                with running(ground, first, other, name):
                    found[2] = measure_rate(ground, first, skip=skip, warm_up_s=seconds / 3, seconds=seconds).rate
        finally:
            ground.close()
    return found


def _cost(receipts: Receipts, members: int, bundle: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = PartitionStore(Path(folder) / "state")
        value = record()
        for start in range(0, members, FILL):
            changes = ((b"m%07d" % number, value, None) for number in range(start, min(start + FILL, members)))
            store.write(changes, start)
        source = enumerate(receipts.of_members(members, seed=members))
        batches = [
            [Read(offset, key, value) for offset, (key, value, _) in islice(source, BATCH)]
            for _ in range(WARM_UP + MEASURED)
        ]
        cost = measure(batches, store, bundle, warm_up=WARM_UP)["whole"]
        store.close()
    print(f"  {members} members, {len(bundle)} files: {cost:.1f} us", file=sys.stderr, flush=True)
    return cost


def _crowd(count: int) -> dict[str, str]:
    others = {
        f"c{number}.yaml": (
            f"id: c{number}\ntrigger: {{event: purchase_returned, where: {{total: {{ge: {number}}}}}}}\n"
            "actions: [{wait: P3D}, {send: {channel: sms, template: come-back}}]\n"
        )
        for number in range(count - 1)
    }
    return {**read_directory(PROGRAMME), **others}


def main() -> None:
    """Measure all three, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members-max", type=int, default=10**7, help="default ten million")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each number of workers (default 30)")
    chosen = parser.parse_args()
    receipts = Receipts(Codec(CommittedSchemas()))
    members = by_members(chosen.members_max)
    drawn = {
        "event_us_by_members": {size: each["process_us"] for size, each in members.items()},
        "memory_mib_by_members": {size: each["memory_mib"] for size, each in members.items()},
        "event_us_by_campaigns": by_campaigns(receipts),
        "events_per_s_by_workers": by_workers(receipts, chosen.seconds),
    }
    found = {**drawn, "a_million_due": _run("bench.scale.tick", str(min(chosen.members_max, 10**6)))}
    BUILD.mkdir(exist_ok=True)
    (BUILD / "scale.json").write_text(json.dumps(found, indent=2) + "\n")
    (BUILD / "scale.svg").write_text(draw(drawn))
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
