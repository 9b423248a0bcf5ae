"""What lists cost: an upload of a million rows from the file into Kafka, RFM of ten million members in ClickHouse, and
what it is to the workers when everybody enters a segment at once.

Seconds by the wall clock and of processor time: of `rekindle segments upload` itself, and of ClickHouse and Kafka.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.members import BATCH, Read, measure
from bench.support.ground import PROGRAMME
from bench.support.processor import seconds_of
from infra import local
from infra.local.services import Services
from schemas.codec import Codec
from schemas.registry import CommittedSchemas, Registry
from schemas.topics import create_topics
from sinks.clickhouse.connect import connect
from sinks.clickhouse.run import migrate_database
from streams import settings as settings_module
from streams.engine.events import Event
from streams.engine.values import Duration
from streams.members.store import PartitionStore
from streams.programme import read_directory
from streams.segments import rfm
from streams.segments.database import ANSWER_SECONDS_MAX
from streams.segments.runs import PAGE_CHANGES
from streams.settings import Settings

ROWS = 1_000_000
NOW_MS = 1_780_000_000_000
BURST = 200_000
PERSON = {"first_name": "Ada", "phone": "+79161234567"}
SEGMENT = {"segment": "bench"}
CAMPAIGN = """\
id: burst
trigger: {segment_entered: bench}
actions: [{send: {channel: sms, template: come-back}}]
"""
RFM_MEMBERS = 10_000_000
RFM_PURCHASES = 30_000_000
RFM_PARTS = 10
RFM_MOVED_EVERY = 20
"""Of so many purchases one stands under the member's card of before, or under an id that was merged into theirs."""


def main() -> None:
    """Run on services of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        services = local.up(directory / "services")
        try:
            found = {**_upload(services, directory), **_rfm(services, directory)}
        finally:
            local.down(directory / "services")
        found |= _burst(directory)
    print(json.dumps(found, indent=2))


def _upload(services: Services, directory: Path) -> dict[str, dict[str, float]]:
    environment = {**os.environ, **services.environment()}
    settings = settings_module.load(environment)
    create_topics(settings)
    Registry.from_settings(settings).register_all()
    path = directory / "list.csv"
    with path.open("w") as file:
        file.write("member_id,name\n")
        file.writelines(f"member-{number * 7919 % ROWS:07},Name {number}\n" for number in range(ROWS))
    others = sum(seconds_of(pid) for pid in _pids(directory))
    began = time.monotonic()
    command = [sys.executable, "-m", "streams", "segments", "upload", "bench", str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        raise SystemExit(f"the upload failed with status {status}")
    return {
        "segment_upload_s": {
            "wall_clock": round(wall, 1),
            "upload_processor": round(usage.ru_utime + usage.ru_stime, 1),
            "services_processor": round(sum(seconds_of(pid) for pid in _pids(directory)) - others, 1),
        },
        "segment_upload_mib": {"upload_memory": round(usage.ru_maxrss / 1024)},
    }


def _rfm(services: Services, directory: Path) -> dict[str, dict[str, float]]:
    """RFM of ten million members with three purchases each on average, drawn by number, as ClickHouse reckons it.

    Some of the purchases are theirs by a move.
    """
    member = f"toString(cityHash64(number, 2) % {RFM_MEMBERS})"
    gone = f"concat(if(number % 2, 'card:', 'merged-'), {member})"
    moved = f"cityHash64(number, 4) % {RFM_MOVED_EVERY} = 0"
    settings = settings_module.load(services.environment())
    migrate_database(settings)
    with connect(settings.clickhouse_dsn, answer_s=ANSWER_SECONDS_MAX) as client:
        for part in range(RFM_PARTS):
            client.command(
                "INSERT INTO purchases (event_id, type, occurred_at, source, key, total) "
                "SELECT toString(number), 'purchase_completed', "
                f"fromUnixTimestamp64Milli({NOW_MS} - toInt64(cityHash64(number, 1) % {365 * 86_400_000}), 'UTC'), "
                f"'till', if({moved}, {gone}, {member}), "
                "toDecimal64(cityHash64(number, 3) % 10000, 2) / 100 "
                f"FROM numbers({part * RFM_PURCHASES // RFM_PARTS}, {RFM_PURCHASES // RFM_PARTS})"
            )
        client.command(
            "INSERT INTO moves (gone, into, occurred_at, _offset) "
            f"SELECT DISTINCT {gone}, {member}, fromUnixTimestamp64Milli({NOW_MS}, 'UTC'), {RFM_PURCHASES} "
            f"FROM numbers({RFM_PURCHASES}) WHERE {moved}"
        )
        moves = client.query("SELECT count() FROM moves").result_rows[0][0]
        before = sum(seconds_of(pid) for pid in _pids(directory))
        began = time.monotonic()
        run = rfm.decide(client, Duration.parse("P365D"), NOW_MS)
        wall = time.monotonic() - began
        used = sum(seconds_of(pid) for pid in _pids(directory)) - before
    return {
        "rfm_s": {"wall_clock": round(wall, 1), "services_processor": round(used, 1)},
        "rfm_members": {"members": run.members, "moved": moves, "changes": run.entered + run.gone},
    }


def _burst(directory: Path) -> dict[str, dict[str, float]]:
    """The members stage while everybody enters a segment that a campaign writes to; no Kafka, processor time."""
    codec = Codec(CommittedSchemas())

    def records() -> Iterator[bytes]:
        for kind, body in (("registration_completed", PERSON), ("segment_assigned", SEGMENT)):
            for number in range(BURST):
                key = f"member-{number:07}"
                event = Event(
                    event_id=kind, type=kind, occurred_at=NOW_MS, source="bench", key=key, member_id=key, body=body
                )
                yield codec.encode(event)

    keys = [b"member-%07d" % (number % BURST) for number in range(2 * BURST)]
    reads = [Read(number, keys[number], value) for number, value in enumerate(records())]
    batches = [reads[first : first + BATCH] for first in range(0, len(reads), BATCH)]
    bundle = {**read_directory(PROGRAMME), "burst.yaml": CAMPAIGN, "segments/bench.yaml": "id: bench\n"}
    store = PartitionStore(directory / "burst")
    try:
        found = measure(batches, store, bundle, warm_up=len(batches) // 2)
    finally:
        store.close()
    ahead = Settings().segments_lag + PAGE_CHANGES
    return {
        "segment_burst_us": {"whole": found["whole"], "commands_per_event": found["commands_per_event"]},
        "segment_burst_others_wait_s": {"one_worker": round(ahead * found["whole"] / 1e6, 2)},
    }


def _pids(directory: Path) -> list[int]:
    return [row.pid for row in local.status(directory / "services") if row.pid is not None]


if __name__ == "__main__":
    main()
