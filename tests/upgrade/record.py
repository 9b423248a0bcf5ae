"""Records what a release leaves in Kafka, for the releases after it to take over (`tests/integration/test_upgrade.py`).

`python -m tests.upgrade.record CHECKOUT FILE` runs the program of a checkout of the release: its workers handle half of
a year's events and end; the other half waits in the log. Run it once, with the release's own checkout, whenever the
version of a member's state (`streams.engine.state`) or the layout of the changelog changes. Never record a file again.

With `--links` it is ingest alone: half of a week's events of people who become known by and by are in the log, the
other half waits in the source topics, and what is recorded are these, the table of links and how far ingest was. Run it
whenever the entries of the table (`streams.ingest.shared_links`) change. `links-1.json.gz` is of 833bac3, the last
commit whose links don't say who had a name first.
"""

import argparse
import base64
import gzip
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from confluent_kafka import TopicPartition

from schemas.registry import Registry
from streams import settings as settings_module
from streams.kafka import Kafka
from streams.settings import Settings
from streams.topics import INGEST_INPUTS, PROGRAMMES, identity_changelog, ingest_group
from tests.stream_support import Record, read_topic, write_events
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
    options.add_argument("--links", action="store_true")
    chosen = options.parse_args()
    directory = Path(tempfile.mkdtemp())
    release = Release(chosen.checkout.resolve(), directory)
    try:
        recording = (_record_links if chosen.links else _record)(release, directory)
    finally:
        release.run("local", "down", "--dir", directory / "services")
        shutil.rmtree(directory)
    data = json.dumps(recording, ensure_ascii=False, sort_keys=True).encode()
    chosen.file.write_bytes(gzip.compress(data, mtime=0))


def _record(release: Release, directory: Path) -> dict[str, Any]:
    halves = _halves(write_events(directory / "all.jsonl", EVENTS, MEMBERS, seed=12))
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
    return {**_described(release, settings, recorded, ("member.events",)), "handled": handled}


def _record_links(release: Release, directory: Path) -> dict[str, Any]:
    halves = _halves(write_strangers(directory / "all.jsonl"))
    release.run("topics", "create")
    release.run("campaigns", "apply", PROGRAMME)
    settings = settings_module.load({**os.environ, **release.environment})
    release.run("publish", halves[0])
    with release.worker("--only", "ingest"):
        _wait_for_ingest(release)
    release.run("publish", halves[1])
    release.run("tick", "--until", UNTIL)
    recorded = {topic: read_topic(settings, topic) for topic in (*INGEST_INPUTS, PROGRAMMES)}
    places = [TopicPartition(topic, number) for topic in INGEST_INPUTS for number in recorded[topic]]
    consumer = Kafka(settings).consumer(ingest_group(settings), {})
    committed = [each for each in consumer.committed(places, timeout=30) if each.offset >= 0]
    consumer.close()
    handled = [(each.topic, each.partition, _before(recorded, each), each.metadata) for each in committed]
    links = read_topic(settings, identity_changelog(settings))
    described = _described(release, settings, recorded, INGEST_INPUTS)
    described["topics"]["links"] = {0: [_line(record) for record in links[0]]}
    return {**described, "handled": handled}


def _before(recorded: Mapping[str, Mapping[int, list[Record]]], place: TopicPartition) -> int:
    """How many records stand before this offset."""
    return sum(record.offset < place.offset for record in recorded[place.topic][place.partition])


def write_strangers(path: Path) -> Path:
    """Events of a week of people who are known by a card, a visitor id or a phone, or by several; some become one.

    Members are erased in the first half only: whom a later erasure reaches, earlier links don't say as well as today's.
    """
    rng = random.Random(3)
    lines = []
    for number in range(EVENTS):
        at = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=40 * number)
        line: dict[str, object] = {"event_id": f"e{number}", "occurred_at": at.isoformat(), "source": "test"}
        person, other = rng.randrange(MEMBERS), rng.randrange(MEMBERS)
        kind = rng.random()
        if kind < 0.2:
            line |= {"type": "registration_completed", "member_id": f"m{person}", "phone": f"+7916000{person:04d}"}
            line |= {"visitor_id": f"v{other}"}  # a device goes from hand to hand
        elif kind < 0.25:
            line |= {"type": "phone_bound", "member_id": f"m{person}", "phone": f"+7916000{other:04d}"}
        elif kind < 0.3:
            line |= {"type": "members_merged", "member_id": f"m{person}", "from_id": f"m{other}"}
            line |= {"into_id": f"m{person}"}
        elif kind < 0.33 and number < EVENTS // 2:
            line |= {"type": "member_erased", "member_id": f"m{person}"}
        elif kind < 0.6:
            line |= {"type": "purchase_completed", "receipt_id": f"r{number}", "store_id": "s", "pos_id": "p"}
            line |= {"total": 5, "card_number": f"c{person}"}
            line |= {"member_id": f"m{person}"} if rng.random() < 0.2 else {}
        else:
            line |= {"type": "site_visited", "visitor_id": f"v{person}", "url": "https://example.com/"}
        lines.append(json.dumps(line) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _halves(events: Path) -> list[Path]:
    lines = events.read_text(encoding="utf-8").splitlines(keepends=True)
    halves = [events.with_name("first.jsonl"), events.with_name("second.jsonl")]
    for path, part in zip(halves, (lines[: len(lines) // 2], lines[len(lines) // 2 :]), strict=True):
        path.write_text("".join(part), encoding="utf-8")
    return halves


def _described(
    release: Release, settings: Settings, recorded: Mapping[str, Mapping[int, list[Record]]], in_avro: Collection[str]
) -> dict[str, Any]:
    """What stands in these topics, the schemas of those that have any, and of what commit it is."""
    registry = Registry.from_settings(settings)
    values = [record.value for topic in in_avro for records in recorded[topic].values() for record in records]
    ids = {int.from_bytes(value[1:5], "big") for value in values}
    commit = subprocess.check_output(("git", "rev-parse", "HEAD"), cwd=release.environment["PYTHONPATH"], text=True)
    return {
        "commit": commit[:7],
        "schemas": {each: registry.schema(each) for each in sorted(ids)},
        "topics": {
            topic: {partition: [_line(record) for record in records] for partition, records in partitions.items()}
            for topic, partitions in recorded.items()
        },
    }


def _line(record: Record) -> list[Any]:
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
