"""From a file into the source topics, and from the log into a file, through the real broker."""

import json
import time
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from schemas.codec import Codec
from schemas.declarations import RECORD_BYTES_MAX, topic_declarations
from schemas.registry import Registry
from schemas.values import parse_time
from streams.engine.events import Event, LogRecord, ProgrammeApplied, Tick
from streams.kafka import READS_TO_END, Kafka, client_config, producer_config
from streams.settings import Settings
from tests.support import run_rekindle

pytestmark = pytest.mark.services

EVENTS = [
    {"event_id": "1", "type": "registration_completed", "occurred_at": "1997-03-01T10:00:00+03:00", "source": "crm",
     "member_id": "m1", "attributes": {"children": 2}},
    {"event_id": "2", "type": "purchase_completed", "occurred_at": "2017-03-01T11:00:00Z", "source": "till",
     "member_id": "m1", "total": 351.0, "lines": [{"sku": "a", "price": 1.10}]},
    {"event_id": "3", "type": "site_visited", "occurred_at": "2017-03-01T12:00:00Z", "source": "web",
     "visitor_id": "v1"},
]  # fmt: skip


def records(settings: Settings, topic: str) -> list[Any]:
    """Every committed record of a topic, by partition and offset."""
    consumer = Kafka(settings).consumer("test-reader", READS_TO_END)
    try:
        partitions = range(len(consumer.list_topics(topic, timeout=10).topics[topic].partitions))
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found, ended = [], 0
        deadline = time.monotonic() + 30
        while ended < len(partitions):
            assert time.monotonic() < deadline, f"{topic} was not read to its end"
            for message in consumer.consume(1000, 0.5):
                if message.error():
                    ended += 1
                else:
                    found.append(message)
        return sorted(found, key=lambda message: (message.partition(), message.offset()))
    finally:
        consumer.close()


def write(path: Path, events: list[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    return path


@pytest.mark.usefixtures("fresh_topics")
def test_topics_are_created_once_with_what_they_declare(settings: Settings, environment: dict[str, str]) -> None:
    done = run_rekindle("topics", "create", env=environment)
    assert done.returncode == 0, done.stderr
    rows = {row["topic"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert rows.keys() == topic_declarations().keys()
    assert {row["state"] for row in rows.values()} == {"exists"}
    admin = AdminClient(client_config(settings))
    resource = ConfigResource(ResourceType.TOPIC, "pos.receipts")
    config = {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(10).items()}
    assert config["retention.ms"] == "-1"
    assert config["max.message.bytes"] == str(RECORD_BYTES_MAX)
    assert config["message.timestamp.before.max.ms"] == config["message.timestamp.after.max.ms"] == str(2**63 - 1)
    listed = run_rekindle("topics", "list", env=environment)
    assert [json.loads(line) for line in listed.stdout.splitlines()] == list(rows.values())


@pytest.mark.usefixtures("fresh_topics")
def test_a_topic_that_differs_is_left_and_named(settings: Settings, environment: dict[str, str]) -> None:
    admin = AdminClient(client_config(settings))
    admin.delete_topics(["decisions"], operation_timeout=30)["decisions"].result()
    admin.create_topics([NewTopic("decisions", 7)], operation_timeout=30)["decisions"].result()
    done = run_rekindle("topics", "create", env={**environment, "REKINDLE_PARTITIONS": str(settings.partitions)})
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        f"rekindle: topic decisions exists with 7 partitions, {settings.partitions} were wanted; it was left as it is"
    ]


@pytest.mark.usefixtures("fresh_topics")
def test_events_are_published_as_an_upstream_producer_would(
    settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    done = run_rekindle("publish", write(tmp_path / "e.jsonl", EVENTS), env=environment)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"topic": "pos.receipts", "events": 1},
        {"topic": "members.registrations", "events": 1},
        {"topic": "web.behaviour", "events": 1},
    ]
    codec = Codec(Registry.from_settings(settings))
    (receipt,) = records(settings, "pos.receipts")
    (registration,) = records(settings, "members.registrations")
    (visit,) = records(settings, "web.behaviour")
    assert [message.key() for message in (receipt, registration, visit)] == [b"m1", b"m1", b"visitor:v1"]
    assert receipt.partition() == registration.partition(), "a key has the same partition in every source"
    for message, event in zip((registration, receipt, visit), EVENTS, strict=True):
        assert message.timestamp()[1] == parse_time(str(event["occurred_at"]))
        (decoded,) = codec.decode_log([message.value()], [message.key()])
        assert isinstance(decoded, Event)
        assert decoded.event_id == event["event_id"]
    (purchase,) = codec.decode_log([receipt.value()], [None])
    assert isinstance(purchase, Event)
    assert purchase.body["total"] == Decimal(351)


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ('{"event_id": "4"', 1, "e.jsonl:4: expected a JSON object"),
        (json.dumps({**EVENTS[1], "totl": 1}), 1, "e.jsonl:4: field `totl`: purchase_completed has no such field"),
        ('{"type": "tick", "occurred_at": "2017-03-01T12:00:00Z", "clock": "event"}', 1, "e.jsonl:4: field `type`"),
    ],
)
@pytest.mark.usefixtures("module_fresh_topics")
def test_a_mistake_in_the_last_line_leaves_nothing_half_done(
    text: str, status: int, words: str, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    before = len(records(settings, "pos.receipts"))
    file = write(tmp_path / "e.jsonl", EVENTS)
    with file.open("a", encoding="utf-8") as appended:
        appended.write(text)
    done = run_rekindle("publish", file, env=environment)
    assert done.returncode == status
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr
    assert len(records(settings, "pos.receipts")) == before


def test_services_that_are_down_are_named_in_one_line(environment: dict[str, str], tmp_path: Path) -> None:
    file = write(tmp_path / "e.jsonl", EVENTS)
    for args in (["topics", "create"], ["publish", str(file)]):
        done = run_rekindle(*args, env={**environment, "REKINDLE_SCHEMA_REGISTRY_URL": "http://127.0.0.1:9"})
        assert done.returncode == 1
        assert done.stderr.startswith("rekindle: schema registry http://127.0.0.1:9 doesn't answer")
        assert len(done.stderr.splitlines()) == 1
    done = run_rekindle("publish", tmp_path / "none.jsonl", env=environment)
    assert (done.returncode, done.stderr) == (
        1,
        f"rekindle: {tmp_path}/none.jsonl: cannot be read: No such file or directory\n",
    )


class Log:
    """Writes `member.events` as ingest does: in transactions, to explicit partitions."""

    def __init__(self, settings: Settings) -> None:
        self._codec = Codec(Registry.from_settings(settings))
        self._producer = Producer({**producer_config(settings), "transactional.id": "test-log"})
        self._producer.init_transactions(30)

    def write(self, partition: int, records: list[LogRecord], *, commit: bool = True) -> None:
        self._producer.begin_transaction()
        for record in records:
            key = record.key.encode() if isinstance(record, Event) else None
            self._producer.produce(
                "member.events", self._codec.encode(record), key, partition, timestamp=record.occurred_at
            )
        self._producer.flush(30)
        if commit:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)


@pytest.fixture
def log(settings: Settings, fresh_topics: None) -> Log:
    return Log(settings)


def visit(number: int, at: int) -> Event:
    return Event(
        event_id=str(number),
        type="site_visited",
        occurred_at=at,
        source="web",
        key=f"m{number}",
        member_id=f"m{number}",
    )


def test_the_log_is_exported_in_the_order_that_decides(log: Log, environment: dict[str, str], tmp_path: Path) -> None:
    log.write(0, [visit(1, 10_000), visit(2, 5_000), Tick(occurred_at=30_000, wall=True)])
    log.write(1, [visit(9, 1)], commit=False)
    log.write(1, [ProgrammeApplied(occurred_at=2_000, programme=1), visit(3, 11_000)])
    log.write(0, [visit(4, 20_000)])
    log.write(1, [visit(5, 12_000)])
    file = tmp_path / "log.jsonl"
    file.write_text("what was there", encoding="utf-8")
    done = run_rekindle("log", "--export", file, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"7 records written to {file}\n")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    told = [(line.get("event_id", line["type"]), line["log"]["partition"], line["log"]["key"]) for line in lines]
    # By how far each partition has come: 4 stands behind the tick of its partition, 2 behind 1.
    assert told == [
        ("programme_applied", 1, None),
        ("1", 0, "m1"),
        ("2", 0, "m2"),
        ("3", 1, "m3"),
        ("5", 1, "m5"),
        ("tick", 0, None),
        ("4", 0, "m4"),
    ]
    offsets = {
        partition: [line["log"]["offset"] for line in lines if line["log"]["partition"] == partition]
        for partition in (0, 1)
    }
    assert offsets[0] == [0, 1, 2, 4]
    assert sorted(offsets[1]) == offsets[1]
    assert list(tmp_path.glob(".rekindle-log-*")) == []


def test_an_undecodable_record_is_left_out_of_the_export_and_named(
    log: Log, settings: Settings, environment: dict[str, str], tmp_path: Path
) -> None:
    log.write(0, [visit(1, 1_000)])
    producer = Producer(producer_config(settings))
    producer.produce("member.events", b"nonsense", b"m1", 0)
    producer.flush(10)
    done = run_rekindle("log", "--export", tmp_path / "log.jsonl", env=environment)
    assert done.returncode == 0
    assert "member.events, partition 0, offset 2 is left out: not in the registry's wire format" in done.stderr
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 1


def test_an_export_that_cannot_be_written_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    done = run_rekindle("log", "--export", tmp_path / "none" / "log.jsonl", env=environment)
    assert done.returncode == 1
    assert done.stderr.startswith(f"rekindle: {tmp_path}/none/log.jsonl: cannot be written: No such file")
