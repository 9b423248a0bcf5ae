"""What the benchmarks that need Kafka stand on: services of their own, topics, the log of receipts, a programme."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.support.receipts import Receipts, Record
from infra import local
from schemas.codec import Codec
from schemas.registry import Registry
from schemas.topics import create_topics
from streams import settings as settings_module
from streams.engine.events import ProgrammeApplied, Tick
from streams.kafka import Kafka, client_config, partition_counts, producer_config
from streams.programme import read_directory
from streams.runtime.control import apply_programme
from streams.topics import MEMBER_EVENTS, PROGRAMMES

if TYPE_CHECKING:
    from streams.settings import Settings

PROGRAMME = Path(__file__).parent.parent / "programme"
BATCH = 5000
DAY_MS = 86_400_000
_PATIENCE_S = 60.0
_QUEUED_MAX = 200_000


class Ground:
    """Running services in a folder, with the pipeline's topics."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.services = local.up(self.directory / "services")
        self.settings: Settings = settings_module.load(self.environment("ground"))
        self.kafka = Kafka(self.settings)
        registry = Registry.from_settings(self.settings)
        create_topics(self.settings)
        registry.register_all()
        self.codec = Codec(registry)

    def environment(self, name: str) -> dict[str, str]:
        """The settings of a worker of that name: its own state, group and changelog."""
        return {
            **self.services.environment(),
            "REKINDLE_DATA_DIR": str(self.directory / name),
            "REKINDLE_INSTANCE": name,
            "REKINDLE_GROUP_PREFIX": name,
            "REKINDLE_CLOCK": "event",
            "REKINDLE_LOG_LEVEL": "WARNING",
        }

    def close(self) -> None:
        """End the services."""
        local.down(self.directory / "services")

    def renew(self, topics: Iterable[str]) -> None:
        """Empty these topics."""
        admin = AdminClient(client_config(self.settings))
        for topic, done in admin.delete_topics(list(topics), operation_timeout=30).items():
            with contextlib.suppress(KafkaException):
                done.result(30)
            _until(lambda topic=topic: topic not in partition_counts(self.settings))
        create_topics(self.settings)

    def create(self, topic: str, partitions: int = 4) -> None:
        """Create a topic of the benchmark's own unless it is there."""
        if topic not in partition_counts(self.settings):
            admin = AdminClient(client_config(self.settings))  # its calls end when it is let go
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)

    def publish_log(self, receipts: Receipts, count: int) -> int:
        """Fill `member.events` as ingest would: a programme, everyone's registration, receipts, a tick per day.

        Returns the number of records in front of the first receipt.
        """
        partitions = partition_counts(self.settings)[MEMBER_EVENTS]
        programme = {"number": 1, "applied_at": 0, "files": read_directory(PROGRAMME)}
        producer = self._producer()
        producer.produce(PROGRAMMES, json.dumps(programme).encode(), b"1", partition=0)
        self._publish(producer, MEMBER_EVENTS, self._log(receipts, count), partitions)
        return receipts.members + partitions

    def apply(self, files: Mapping[str, str], at: int) -> None:
        """Put a programme into force, through `control` as a person would, from a moment (ms) on."""
        apply_programme(self.settings, files, now=at, occurred_at=at, check=lambda _: None)

    def publish(self, topic: str, records: Iterable[Record]) -> None:
        """Fill a source topic."""
        self._publish(self._producer(), topic, records, 1)

    def publish_all(self, topic: str, records: Iterable[tuple[bytes, bytes]]) -> None:
        """Fill a topic of the benchmark's own with keys and values."""
        self._publish(self._producer(), topic, (Record(key, value, 0) for key, value in records), 1)

    def _log(self, receipts: Receipts, count: int) -> Iterator[Record]:
        day = 0
        for record in receipts.registrations():
            if not day:
                day = record.at // DAY_MS
                applied = ProgrammeApplied(occurred_at=record.at, programme=1)
                yield Record(None, self.codec.encode(applied), record.at)
            yield record
        for record in receipts.receipts(count):
            if record.at // DAY_MS > day:
                day = record.at // DAY_MS
                yield Record(None, self.codec.encode(Tick(occurred_at=day * DAY_MS, wall=False)), day * DAY_MS)
            yield record

    def _producer(self) -> Producer:
        own = {"linger.ms": 50, "queue.buffering.max.messages": _QUEUED_MAX, "batch.num.messages": 10_000}
        return Producer({**producer_config(self.settings), **own})

    def _publish(self, producer: Producer, topic: str, records: Iterable[Record], partitions: int) -> None:
        produce = producer.produce
        for number, (key, value, at) in enumerate(records):
            if key is None:
                for each in range(partitions):
                    produce(topic, value, partition=each, timestamp=at)
            else:
                produce(topic, value, key, timestamp=at)
            if number % BATCH == 0:
                while len(producer) > _QUEUED_MAX // 2:
                    producer.poll(0.05)
        if producer.flush(_PATIENCE_S):
            raise SystemExit(f"{topic}: not everything was acknowledged")


def _until(holds: object, seconds: float = _PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit("the broker takes too long")
        time.sleep(0.1)
