"""Whole workers on real services: two at once, one killed, the clock on the wall, records that don't belong."""

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.events import Event, Tick
from streams.ingest.partitions import partition_of
from streams.kafka import partition_counts, producer_config
from streams.settings import Settings
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
REPLAY = {"REKINDLE_CLOCK": "event"}
UNTIL = "2018-06-30T00:00:00Z"
HOUR_MS = 3_600_000


@pytest.mark.timeout(300)
def test_one_of_two_workers_is_killed_and_nothing_is_lost_or_doubled(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    events = write_events(tmp_path / "events.jsonl", 6000, 300, seed=3)
    _succeeds("campaigns", "apply", ROOT / "campaigns", env={**environment, **REPLAY})
    _succeeds("publish", events, env={**environment, **REPLAY})
    small = {**REPLAY, "REKINDLE_BATCH_RECORDS_MAX": "50"}
    first = process("worker", env={**small, "REKINDLE_INSTANCE": "first"})
    first.until(lambda: sum(map(len, read_topic(settings, "decisions").values())) > 0, 60, "decisions")
    second = process("worker", env={**small, "REKINDLE_INSTANCE": "second"})
    second.until(lambda: "members has partitions" in second.output, 60, "its share")
    first.kill()
    third = process("worker", env={**small, "REKINDLE_INSTANCE": "first"})
    third.until(lambda: "members has partitions" in third.output, 60, "its predecessor's share")
    _succeeds("status", "--wait", "120", env={**environment, **REPLAY})
    _succeeds("tick", "--until", UNTIL, env={**environment, **REPLAY})
    _succeeds("status", "--wait", "120", env={**environment, **REPLAY})
    for worker in (second, third):
        assert worker.terminate(10) == 0, worker.output

    log = tmp_path / "log.jsonl"
    _succeeds("log", "--export", log, env=environment)
    assert log.stat().st_mode & 0o077 == 0, "what is sealed in the log stands plainly in the file"
    simulated = _succeeds("simulate", ROOT / "campaigns", log, "--until", UNTIL, "--in-order")
    lines = [json.loads(line) for line in simulated.splitlines()]
    expected = sorted(line["dispatch_id"] for line in lines if line["kind"] == "dispatch")
    assert len(expected) > 500
    assert _dispatch_ids(settings) == expected


@pytest.mark.timeout(240)
def test_by_the_wall_clock_time_goes_on_by_itself_and_strays_find_their_partition(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command]
) -> None:
    worker = process("worker")
    worker.until(lambda: "members has partitions" in worker.output, 60, "its partitions")
    now = time.time_ns() // 1_000_000
    _produce(
        settings,
        [_visit(f"m{number}", now) for number in range(20)]
        + [_visit("ahead", now + 2 * HOUR_MS)]
        + [("web.behaviour", b"no Avro", None)],
    )
    worker.until(lambda: len(_dead_letters(settings)) == 2, 60, "the dead letters")
    assert {letter.topic for letter in _dead_letters(settings)} == {"web.behaviour"}

    partitions = partition_counts(settings)["member.events"]
    codec = Codec(Registry.from_settings(settings))

    def where() -> dict[str, int]:
        found = {}
        for partition, records in read_topic(settings, "member.events").items():
            decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
            found.update({item.key: partition for item in decoded if isinstance(item, Event)})
        return found

    worker.until(lambda: len(where()) == 20, 60, "all events in the log")
    assert where() == {f"m{number}": partition_of(f"m{number}".encode(), partitions) for number in range(20)}

    def ticks() -> list[list[int]]:
        found = []
        for records in read_topic(settings, "member.events").values():
            decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
            found.append([item.occurred_at for item in decoded if isinstance(item, Tick) and item.wall])
        return found

    worker.until(lambda: all(len(each) >= 3 for each in ticks()), 60, "a tick a second in every partition")
    assert all(later - earlier >= 1000 for each in ticks() for earlier, later in itertools.pairwise(each))
    _succeeds("status", "--wait", "60", env=environment)
    assert worker.terminate(10) == 0, worker.output
    assert records_waiting(settings, "ingest") == 0


def test_a_worker_says_what_it_misses(environment: dict[str, str]) -> None:
    down = {**environment, "REKINDLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    for command in (("worker",), ("status",), ("tick", "--until", UNTIL)):
        done = run_rekindle(*command, env={**down, **REPLAY})
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("rekindle: no Kafka broker answers at 127.0.0.1:1")
    done = run_rekindle("worker", env={**environment, "REKINDLE_SCHEMA_REGISTRY_URL": "http://127.0.0.1:1"})
    (line,) = done.stderr.splitlines()
    assert (done.returncode, "REKINDLE_SCHEMA_REGISTRY_URL" in line) == (1, True)


def test_status_gives_up_when_nobody_handles_the_input(environment: dict[str, str], tmp_path: Path) -> None:
    _succeeds("publish", write_events(tmp_path / "events.jsonl", 10, 5, seed=4), env=environment)
    done = run_rekindle("status", "--wait", "1", env=environment)
    assert done.returncode == 1
    assert "15 records are not handled yet" in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(row["lag"] for row in rows if row["stage"] == "ingest") == 15


def _succeeds(*command: str | Path, env: dict[str, str] | None = None) -> str:
    done = run_rekindle(*command, env=env, seconds=200)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _visit(member: str, at: int) -> tuple[str, Event, None]:
    body = {"url": "https://example.com/"}
    event = Event(
        event_id=member, type="site_visited", occurred_at=at, source="web", key=member, member_id=member, body=body
    )
    return "web.behaviour", event, None


def _produce(settings: Settings, records: list[tuple[str, Event | bytes, None]]) -> None:
    """Without keys, all into partition 0: as a producer would who knows nothing of partitions."""
    codec = Codec(Registry.from_settings(settings))
    producer = Producer(producer_config(settings))
    for topic, item, key in records:
        producer.produce(topic, item if isinstance(item, bytes) else codec.encode(item), key, partition=0)
    assert producer.flush(30) == 0


def _dead_letters(settings: Settings) -> list:
    codec = Codec(Registry.from_settings(settings))
    values = [record.value for records in read_topic(settings, "dead.letters").values() for record in records]
    return codec.decode_dead_letters(values)


def _dispatch_ids(settings: Settings) -> list[str]:
    codec = Codec(Registry.from_settings(settings))
    topics = [topic for topic in partition_counts(settings) if topic.startswith("send.") and topic != "send.webhook"]
    values = [
        record.value for topic in topics for records in read_topic(settings, topic).values() for record in records
    ]
    return sorted(command.dispatch_id for command in codec.decode_commands(values))
