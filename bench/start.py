"""How long a worker takes from its start to its first message, and to its end; on a machine where it ran before.

A receipt waits while no worker runs. What is timed is the way from the start of the process, through imports, the deal
of the partitions, recovery and both stages, to the `read_committed` reader of `send.sms`; then that from SIGTERM to the
end of the process. Processor time is that of all processes of the worker: it says more where others work, too.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, TopicPartition

from bench.support.ground import Ground
from bench.support.latency import OUTPUT, PROGRAMME
from bench.support.processor import seconds_of
from bench.support.receipts import Record
from streams.engine.events import Event

STARTS = 5
PATIENCE_S = 120.0


def main() -> None:
    """Measure on services of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        try:
            found = list(_starts(ground))[1:]  # the first one warms the machine
        finally:
            ground.close()
    columns = [round(statistics.median(column), 2) for column in zip(*found, strict=True)]
    figures = dict(zip(("wall_clock", "processor", "wall_clock_to_end"), columns, strict=True))
    print(json.dumps({"start_s": {**figures, "load": round(os.getloadavg()[0], 1)}}, indent=2))


def _starts(ground: Ground) -> Iterator[tuple[float, float, float]]:
    """Seconds of one start after the other: to the first message by the wall clock, of the processor, to the end."""
    now = time.time_ns() // 1_000_000
    ground.apply(PROGRAMME, now)
    registration = _record(ground, "registration_completed", "m", phone="+79123456789", first_name="Ann")
    ground.publish("members.registrations", [registration])
    consumer = ground.kafka.consumer("bench-start", {"fetch.wait.max.ms": 5})
    partitions = range(ground.kafka.partition_counts()[OUTPUT])
    consumer.assign([TopicPartition(OUTPUT, each, OFFSET_BEGINNING) for each in partitions])
    environment = {**os.environ, **ground.environment("start"), "REKINDLE_CLOCK": "wall"}
    for number in range(STARTS + 1):
        ground.publish("pos.receipts", [_record(ground, "purchase_completed", f"r{number}", total=100)])
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-m", "streams", "worker"], env=environment)
        while not any(message.error() is None for message in consumer.consume(1, 0.01)):
            if process.poll() is not None or time.monotonic() - began > PATIENCE_S:
                raise SystemExit("the worker sent nothing")
        wall, processor = time.monotonic() - began, seconds_of(process.pid)
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE_S):
            raise SystemExit(f"the worker ended with {process.returncode}")
        yield wall, processor, time.monotonic() - asked
    consumer.close()


def _record(ground: Ground, kind: str, event_id: str, **body: Any) -> Record:
    at = time.time_ns() // 1_000_000
    event = Event(event_id=event_id, type=kind, occurred_at=at, source="bench", key="m", member_id="m", body=body)
    return Record(b"m", ground.codec.encode(event), at)


if __name__ == "__main__":
    main()
