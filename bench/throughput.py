"""Events a second of a worker and of its peers: the same receipts, the same broker, the same work, one after the other.

What a system has done is what its consumer group has committed, asked from outside, the same way for all. The clock
starts when it has taken everyone's registration in and its warm-up is over, and stops after the stated time; between
are whole commits only. `python -m bench.throughput --help`.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition

from bench.support import latency as latency_module
from bench.support import punctuality
from bench.support.contestants import CONTESTANTS, ROOT, Contestant, rekindle_whole_path
from bench.support.ground import PROGRAMME, Ground
from bench.support.processor import seconds_of
from bench.support.receipts import Receipts
from streams.kafka import consumer_config, partition_counts
from streams.programme import read_directory
from streams.topics import COPARTITIONED, MEMBER_EVENTS

POLL_S = 0.1
START_S = 90.0
STOP_S = 15.0
RECEIPTS = "pos.receipts"
FASTEST = 90_000  # events a second: so many receipts are published per second of measuring
WHOLE_PATH_RECEIPTS = 12_000
"""Per second of measuring, for both stages to work off."""


class Progress:
    """What a group has committed of a topic."""

    def __init__(self, ground: Ground, group: str, topic: str = MEMBER_EVENTS) -> None:
        own = {"isolation.level": "read_uncommitted"}  # the last commit, not the next one
        self._consumer = Consumer({**consumer_config(ground.settings, group), **own})
        self._known = 0
        partitions = partition_counts(ground.settings)[topic]
        self._inputs = [TopicPartition(topic, partition) for partition in range(partitions)]

    def read(self) -> int:
        """Records up to the committed offsets of all partitions; what was known when the broker doesn't know yet."""
        with contextlib.suppress(KafkaException):
            self._known = sum(max(each.offset, 0) for each in self._consumer.committed(self._inputs, timeout=10.0))
        return self._known

    def end(self) -> int:
        """Records in all partitions."""
        return sum(self._consumer.get_watermark_offsets(each, timeout=10.0)[1] for each in self._inputs)


class Measured(NamedTuple):
    """Events a second, and microseconds of processor time per event of the worker's processes."""

    rate: float
    cpu_us: float


def measure(ground: Ground, contestant: Contestant, *, skip: int, warm_up_s: float, seconds: float) -> Measured:
    """What it does in a steady state. Raises `SystemExit` when there was none."""
    progress = Progress(ground, contestant.group)
    with running(ground, contestant, {}) as (process, log):
        samples = _samples(progress, process, log)
        return _rate(samples, process.pid, progress, skip=skip, warm_up_s=warm_up_s, seconds=seconds)


@contextlib.contextmanager
def running(
    ground: Ground, contestant: Contestant, extra: Mapping[str, str], name: str | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """The process and its log, while the block runs."""
    log = ground.directory / f"{name or contestant.group}.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **contestant.environment, **extra}
    with log.open("wb") as output:
        process = subprocess.Popen(contestant.command, env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield process, log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _rate(
    samples: Iterator[tuple[float, int]], pid: int, progress: Progress, *, skip: int, warm_up_s: float, seconds: float
) -> Measured:
    began, _ = next(samples)
    first = last = None
    for now, events in samples:
        if now - began < warm_up_s or events <= skip:
            continue
        if first is None:
            first = (now, events, seconds_of(pid))
            continue
        last = (now, events, seconds_of(pid))
        if now - first[0] >= seconds:
            break
        if events >= progress.end():
            print(f"  came to the end of the log after {now - first[0]:.0f} s", file=sys.stderr)
            break
    if first is None or last is None:
        raise SystemExit("the log was too short: nothing was left after the warm-up")
    done = last[1] - first[1]
    return Measured(done / (last[0] - first[0]), (last[2] - first[2]) / done * 1e6)


def _samples(progress: Progress, process: "subprocess.Popen[bytes]", log: Path) -> Iterator[tuple[float, int]]:
    """Time and events handled whenever a commit has moved them."""
    known = progress.read()
    news = time.monotonic()
    while True:
        events, now = progress.read(), time.monotonic()
        if events != known:
            known, news = events, now
            yield now, events
        if process.poll() is not None or now - news > START_S:
            end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
            raise SystemExit(f"no progress; exit status {process.poll()}, at {events}:\n{end}")
        time.sleep(POLL_S)


def whole_path(ground: Ground, receipts: Receipts, seconds: float) -> Measured:
    """A worker, from the source topics on, until both stages have done all: what one does sooner costs, too."""
    ground.renew([*COPARTITIONED, "programmes"])
    first = next(receipts.registrations()).at
    ground.apply(read_directory(PROGRAMME), first)
    ground.publish("members.registrations", receipts.registrations())
    count = round(WHOLE_PATH_RECEIPTS * seconds)
    ground.publish(RECEIPTS, receipts.receipts(count))
    run = f"whole-{uuid.uuid4().hex[:8]}"
    contestant = rekindle_whole_path(ground, run)
    source, progress = Progress(ground, f"{run}-ingest", RECEIPTS), Progress(ground, contestant.group)
    with running(ground, contestant, {}) as (process, log):
        began, used = 0.0, 0.0
        for now, events in _samples(progress, process, log):
            if not began and events > receipts.members:
                began, used = now, seconds_of(process.pid)
            elif events >= progress.end() and source.read() >= count:
                return Measured(count / (now - began), (seconds_of(process.pid) - used) / count * 1e6)
    raise AssertionError("it makes progress or raises")


def latency(
    ground: Ground, receipts: Receipts, rate: float, seconds: float, of: ModuleType = latency_module
) -> dict[str, float]:
    """Both stages by the wall clock, at a part of what they can do. `rate` in events a second; `of`: what is timed."""
    ground.renew([*COPARTITIONED, "programmes", latency_module.OUTPUT])
    now = time.time_ns() // 1_000_000
    ground.apply(of.PROGRAMME, now)
    ground.publish("members.registrations", receipts.registrations(now))
    contestant = rekindle_whole_path(ground, f"latency-{uuid.uuid4().hex[:8]}")
    progress = Progress(ground, contestant.group)
    with running(ground, contestant, {"REKINDLE_CLOCK": "wall"}) as (process, log):
        for _, events in _samples(progress, process, log):
            if events >= receipts.members:
                break
        found: dict[str, float] = of.measure(ground, receipts, rate, seconds)
        return found


def main() -> None:
    """Run them and print the figures as JSON."""
    names = [*CONTESTANTS, "rekindle_whole_path"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="steady state of each, at least (default 60)")
    parser.add_argument("--warm-up", type=float, default=12.0, help="seconds of each that don't count (default 12)")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="which of them")
    parser.add_argument("--keep", type=Path, help="folder whose services and log are kept, and used again")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(chosen.keep or Path(folder))
        try:
            found = _run(ground, chosen)
        finally:
            if chosen.keep is None:
                ground.close()
    print(json.dumps(found, indent=2))


def _run(ground: Ground, chosen: argparse.Namespace) -> dict[str, dict[str, float]]:
    span_s = chosen.warm_up + chosen.seconds
    receipts: Receipts | None = None
    ground.create("bench.commands")
    kept = ground.directory / "skip"
    if CONTESTANTS.keys() & set(chosen.only) and not kept.exists():
        receipts = Receipts(ground.codec)
        began = time.monotonic()
        count = round(FASTEST * span_s)
        kept.write_text(str(ground.publish_log(receipts, count)))
        print(f"  {count} receipts published in {time.monotonic() - began:.0f} s", file=sys.stderr)
    found: dict[str, Measured] = {}
    for name in chosen.only:
        if name in CONTESTANTS:
            contestant = CONTESTANTS[name](ground, f"{name.replace('_', '-')}-{uuid.uuid4().hex[:8]}")
            skip = int(kept.read_text())
            found[name] = measure(ground, contestant, skip=skip, warm_up_s=chosen.warm_up, seconds=chosen.seconds)
            _tell(name, found[name])
    if "rekindle_whole_path" in chosen.only:
        kept.unlink(missing_ok=True)
        receipts = receipts or Receipts(ground.codec)
        whole = whole_path(ground, receipts, chosen.seconds)
        found["rekindle_whole_path"] = whole
        _tell("rekindle_whole_path", whole)
        delays = latency(ground, receipts, whole.rate / 2, chosen.seconds / 4)
        print(f"  at half of it: {delays}", file=sys.stderr, flush=True)
        late = latency(ground, receipts, whole.rate / 2, chosen.seconds / 4, of=punctuality)
        print(f"  timers, at half of it: {late}", file=sys.stderr, flush=True)
        return {**_figures(found), "event_to_command_ms": delays, "due_to_command_ms": late}
    return _figures(found)


def _tell(name: str, found: Measured) -> None:
    load = os.getloadavg()[0]
    print(f"  {name}: {found.rate:.0f} events/s, {found.cpu_us:.1f} us (load {load:.1f})", file=sys.stderr, flush=True)


def _figures(found: Mapping[str, Measured]) -> dict[str, dict[str, float]]:
    return {
        "throughput": {name: round(each.rate) for name, each in found.items()},
        "throughput_cpu_us_per_event": {name: round(each.cpu_us, 1) for name, each in found.items()},
    }


if __name__ == "__main__":
    main()
