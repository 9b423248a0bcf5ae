"""What lists cost: an upload of a million rows from the file into Kafka, with nothing else running on the services.

Seconds by the wall clock and of processor time: of `rekindle segments upload` itself, and of ClickHouse and Kafka.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.support.processor import seconds_of
from infra import local
from infra.local.services import Services
from schemas.registry import Registry
from schemas.topics import create_topics
from streams import settings as settings_module

ROWS = 1_000_000


def main() -> None:
    """Run on services of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        services = local.up(directory / "services")
        try:
            found = _upload(services, directory)
        finally:
            local.down(directory / "services")
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


def _pids(directory: Path) -> list[int]:
    return [row.pid for row in local.status(directory / "services") if row.pid is not None]


if __name__ == "__main__":
    main()
