"""What the tests of the stages share: events to publish, and what stands in a topic, by partition."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.commands import Dispatch
from streams.engine.events import Tick
from streams.kafka import READS_TO_END, Kafka, partition_counts
from streams.runtime.lag import Lag, LagReader
from streams.settings import Settings

START = datetime(2017, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int

    @property
    def content(self) -> tuple[bytes | None, bytes, int]:
        """Everything but where it stands."""
        return self.key, self.value, self.timestamp


def read_topic(settings: Settings, topic: str) -> dict[int, list[Record]]:
    """Every committed record of a topic, by partition."""
    found: dict[int, list[Record]] = {partition: [] for partition in range(partition_counts(settings)[topic])}
    consumer = Kafka(settings).consumer("tests", READS_TO_END)
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in found])
    open_partitions = set(found)
    while open_partitions:
        for message in consumer.consume(10_000, 0.1):
            error = message.error()
            if error is None:
                record = Record(message.offset(), message.key(), message.value(), message.timestamp()[1])
                found[message.partition()].append(record)
            else:
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_partitions.discard(message.partition())
    consumer.close()
    return found


def records_waiting(settings: Settings, stage: str) -> int:
    """How many records a stage has still to handle; -1 for one that was never started and isn't told of."""
    rows = lag_of(settings, stage)
    return sum(row.records for row in rows) if rows else -1


def lag_of(settings: Settings, stage: str) -> list[Lag]:
    """How far behind a stage is, in each of its partitions."""
    reader = LagReader(settings)
    try:
        return [row for row in reader.read() if row.stage == stage]
    finally:
        reader.close()


def read_dispatches(settings: Settings, topic: str) -> list[Dispatch]:
    """All dispatches of a topic, partition by partition."""
    codec = Codec(Registry.from_settings(settings))
    values = [record.value for records in read_topic(settings, topic).values() for record in records]
    return codec.decode_commands(values)  # type: ignore[return-value]


def write_visits(path: Path, members: int, at: str) -> Path:
    """Write a file of events by which members come into being: each, m0, m1 and so on, visits once at `at`."""
    header = {"type": "site_visited", "occurred_at": at, "source": "web", "url": "https://a.example"}
    visits = [{**header, "event_id": f"v{number}", "member_id": f"m{number}"} for number in range(members)]
    path.write_text("".join(json.dumps(visit) + "\n" for visit in visits))
    return path


def without_ticks(settings: Settings, records: Iterable[Record]) -> list[Record]:
    """Leave out the ticks: how many there are depends on how the input was cut into batches."""
    records = list(records)
    codec = Codec(Registry.from_settings(settings))
    decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
    return [record for record, item in zip(records, decoded, strict=True) if not isinstance(item, Tick)]


def write_events(path: Path, events: int, members: int, seed: int) -> Path:
    """Registrations, purchases and visits of a year, the times of each member's own in any order, as a file."""
    rng = random.Random(seed)
    lines = [
        _event(
            f"r{number}",
            "registration_completed",
            number,
            START + timedelta(minutes=number),
            first_name="Anna",
            phone=f"+7916{number:07d}",
            email=f"m{number}@example.com",
            birth_date=f"1990-03-{number % 28 + 1:02d}",
        )
        for number in range(members)
    ]
    for number in range(events):
        at = START + timedelta(minutes=members + rng.randrange(365 * 24 * 60))
        member = rng.randrange(members)
        if number % 3:
            line = {"sku": "1", "name": "milk", "category": "DAIRY", "quantity": 1, "price": 1.5}
            lines.append(
                _event(
                    f"p{number}",
                    "purchase_completed",
                    member,
                    at,
                    receipt_id=f"c{number}",
                    store_id="s",
                    pos_id="1",
                    total=rng.randrange(100, 5000) / 100,
                    lines=[line],
                )
            )
        else:
            lines.append(_event(f"v{number}", "site_visited", member, at, url="https://example.com/"))
    lines.sort(key=lambda line: line["occurred_at"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _event(event_id: str, kind: str, member: int, at: datetime, **body: object) -> dict[str, object]:
    header = {"event_id": event_id, "type": kind, "occurred_at": at.isoformat(), "source": "test"}
    return {**header, "member_id": f"m{member:05d}", **body}
