"""Records what a release leaves in Kafka, for the releases after it to take over (`tests/integration/test_upgrade.py`).

`python -m tests.upgrade.record CHECKOUT FILE` runs the program of a checkout of the release: its workers handle half of
a year's events and end; the other half waits in the log. Run it once, with the release's own checkout, whenever the
version of a member's state (`streams.engine.state`) or the layout of the changelog changes. Never record a file again.
"""

import argparse
import base64
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.registry import Registry
from streams import settings as settings_module
from tests.stream_support import read_topic, write_events
from tests.support import program_environment

EVENTS, MEMBERS = 240, 12
UNTIL = "2018-06-30T00:00:00Z"
PROGRAMME = Path(__file__).parent / "programme"
TOPICS = ("member.events", "programmes", "rekindle-members-changelog")


class Release:
    """The program of a checkout, with services of its own."""

    def __init__(self, checkout: Path, directory: Path) -> None:
        self._checkout = checkout
        self.environment: dict[str, str] = {"PYTHONPATH": str(checkout)}
        exports = self.run("local", "up", "--dir", directory / "services").splitlines()
        assignments = [line.removeprefix("export ").split("=", 1) for line in exports if line.startswith("export ")]
        self.environment |= {name: value.strip("'\"") for name, value in assignments}
        own = {"REKINDLE_CLOCK": "event", "REKINDLE_DATA_DIR": str(directory / "data"), "REKINDLE_INSTANCE": "old"}
        self.environment |= own

    def run(self, *command: str | Path) -> str:
        """Run a command that must succeed; return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "streams", *map(str, command)],
            cwd=self._checkout,
            env=program_environment(self.environment),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"{command} failed: {done.stderr}")
        return done.stdout

    @contextmanager
    def worker(self, *options: str) -> Any:
        """Run a worker while the block runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", "worker", *options],
            cwd=self._checkout,
            env=program_environment(self.environment),
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    """Record one release."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkout", type=Path)
    options.add_argument("file", type=Path)
    chosen = options.parse_args()
    directory = Path(tempfile.mkdtemp())
    release = Release(chosen.checkout.resolve(), directory)
    try:
        recording = _record(release, directory)
    finally:
        release.run("local", "down", "--dir", directory / "services")
        shutil.rmtree(directory)
    data = json.dumps(recording, ensure_ascii=False, sort_keys=True).encode()
    chosen.file.write_bytes(gzip.compress(data, mtime=0))


def _record(release: Release, directory: Path) -> dict[str, Any]:
    lines = write_events(directory / "all.jsonl", EVENTS, MEMBERS, seed=12).read_text().splitlines(keepends=True)
    halves = [directory / "first.jsonl", directory / "second.jsonl"]
    for path, part in zip(halves, (lines[: len(lines) // 2], lines[len(lines) // 2 :]), strict=True):
        path.write_text("".join(part))
    release.run("topics", "create")
    release.run("campaigns", "apply", PROGRAMME)
    settings = settings_module.load({**os.environ, **release.environment})
    release.run("publish", halves[0])
    with release.worker():
        release.run("status", "--wait", "120")
    recorded = {topic: read_topic(settings, topic) for topic in TOPICS}
    handled = {partition: len(records) for partition, records in recorded["member.events"].items()}
    release.run("publish", halves[1])
    with release.worker("--only", "ingest"):
        _wait_for_ingest(release)
        release.run("tick", "--until", UNTIL)
        _wait_for_ingest(release)
    recorded["member.events"] = read_topic(settings, "member.events")
    registry = Registry.from_settings(settings)
    values = [record.value for records in recorded["member.events"].values() for record in records]
    ids = {int.from_bytes(value[1:5], "big") for value in values}
    return {
        "commit": subprocess.check_output(
            ("git", "rev-parse", "HEAD"), cwd=release.environment["PYTHONPATH"], text=True
        )[:7],
        "handled": handled,
        "schemas": {each: registry.schema(each) for each in sorted(ids)},
        "topics": {
            topic: {partition: [_line(record) for record in records] for partition, records in partitions.items()}
            for topic, partitions in recorded.items()
        },
    }


def _line(record: Any) -> list[Any]:
    return [_text(record.key), _text(record.value), record.timestamp]


def _text(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _wait_for_ingest(release: Release) -> None:
    while True:
        rows = [json.loads(line) for line in release.run("status").splitlines()]
        if not any(row["lag"] for row in rows if row["stage"] == "ingest"):
            return


if __name__ == "__main__":
    main()
