"""The logs of the contract suites: clients of one, real or in memory, and names that nobody used before."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition
from confluent_kafka.cimpl import NewTopic

from tests.cleaner import CLEANED_SOON
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.support import until

SECONDS = 40.0
FENCE = b"fence"
"""Key of records that only close what is before them."""
_numbers = itertools.count()


@dataclass
class Broker:
    """A log under test: clients of it, and names that nobody used before."""

    kafka: Any
    prefix: str
    forgetful: set[str] = field(default_factory=set)  # topics that lose tombstones, too

    def name(self) -> str:
        return f"{self.prefix}-{next(_numbers)}"

    def now(self) -> int:
        """The broker's time, about."""
        return int(time.time() * 1000)

    def topic(self, partitions: int = 1, **config: str) -> str:
        name = self.name()
        admin = self.kafka.admin()  # its calls end when it is let go
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result(SECONDS)
        consumer = self.kafka.consumer(self.name(), {})
        for number in range(partitions):
            until(lambda number=number: self._answers(consumer, TopicPartition(name, number)), SECONDS, "a leader")
        consumer.close()
        return name

    @staticmethod
    def _answers(consumer: Any, partition: TopicPartition) -> bool:
        try:
            return consumer.get_watermark_offsets(partition, timeout=5) is not None
        except KafkaException:
            return False

    def producer(self, transactional_id: str | None = None, **config: object) -> Any:
        """A transactional producer that has taken its id over, or a plain one."""
        if transactional_id is None:
            return self.kafka.producer({"linger.ms": 0})
        options = {name.replace("_", "."): value for name, value in config.items()}
        producer = self.kafka.producer({"transactional.id": transactional_id, "linger.ms": 0, **options})
        producer.init_transactions(SECONDS)
        return producer

    def reader(self, topic: str, *, committed: bool = True, start: int = OFFSET_BEGINNING) -> "Reader":
        level = "read_committed" if committed else "read_uncommitted"
        consumer = self.kafka.consumer(self.name(), {"isolation.level": level, "fetch.wait.max.ms": 20})
        consumer.assign([TopicPartition(topic, 0, start)])
        return Reader(consumer)

    def member(self, group: str, topic: str, **config: object) -> "Member":
        options = {name.replace("_", "."): value for name, value in config.items()}
        consumer = self.kafka.consumer(group, {"session.timeout.ms": 6000, "heartbeat.interval.ms": 200, **options})
        return Member(consumer, topic)

    def compacted_topic(self, *, tombstones_for: str = "86400000") -> str:
        """Make one whose tombstones stay for so many milliseconds."""
        config = {"cleanup.policy": "compact", **CLEANED_SOON, "delete.retention.ms": tombstones_for}
        name = self.topic(**config)
        if tombstones_for == "1":
            self.forgetful.add(name)
        return name

    def compact(self, topic: str, *gone: bytes) -> None:
        """Have the closed part of a topic compacted: wait until these values are gone."""
        until(lambda: not self._clean(topic) & set(gone), SECONDS, f"the cleaning of {topic}")

    def _clean(self, topic: str) -> set[bytes | None]:
        """Let the cleaner come once more; returns what is left."""
        producer = self.producer()
        ahead = int(time.time() * 1000) + next(_numbers) * 60_000  # so it begins a segment: what is before is closed
        producer.produce(topic, b"", FENCE, partition=0, timestamp=ahead)
        assert producer.flush(SECONDS) == 0
        return {value for _, _, value in self.contents(topic, committed=False)}

    def contents(self, topic: str, *, committed: bool = True, start: int = 0) -> list[tuple[int, bytes, bytes | None]]:
        """Offset, key and value of the records from `start` on, as a reader gets them; fences don't count."""
        level = "read_committed" if committed else "read_uncommitted"
        quick = {"isolation.level": level, "enable.partition.eof": True, "fetch.wait.max.ms": 20}
        consumer = self.kafka.consumer(self.name(), quick)
        consumer.assign(at(topic, start))
        found: list[Any] = []

        def ended() -> bool:
            found.extend(consumer.consume(100, 0.2))
            return bool(found) and found[-1].error() is not None

        until(ended, SECONDS, "the end")
        consumer.close()
        records = [each for each in found if each.error() is None and each.key() != FENCE]
        return [(each.offset(), each.key(), each.value()) for each in records]


class MemoryBroker(Broker):
    """The log in memory is cleaned when somebody says so."""

    def __init__(self) -> None:
        self.log = Log(Clock())
        super().__init__(MemoryKafka(Network(self.log, self.log.now)), "contract")

    def now(self) -> int:
        return self.log.now()

    def _clean(self, topic: str) -> set[bytes | None]:
        super()._clean(topic)
        (partition,) = self.log.topics[topic]
        partition.compact(drop_tombstones=topic in self.forgetful)
        return {value for _, _, value in self.contents(topic, committed=False)}


class Reader:
    """Gathers what a consumer is given."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.messages: list[Any] = []

    def poll(self, seconds: float = 0.2) -> list[Any]:
        for message in self._consumer.consume(100, seconds):
            assert message.error() is None, message.error()
            self.messages.append(message)
        return self.messages

    @property
    def values(self) -> list[bytes]:
        return [message.value() for message in self.messages]

    def comes_to(self, *values: bytes) -> None:
        """It gets exactly these, in this order."""
        until(lambda: self.poll() and len(self.messages) >= len(values), SECONDS, f"{len(values)} records")
        assert self.values == list(values)

    def stays_at(self, *values: bytes) -> None:
        """It gets no more than these."""
        self.poll(1.0)
        assert self.values == list(values)


class Member:
    """A consumer in a group, and the partitions that it has."""

    def __init__(self, consumer: Any, topic: str) -> None:
        self.consumer = consumer
        self.partitions: set[int] = set()
        consumer.subscribe([topic], on_assign=self._assign, on_revoke=self._revoke)

    def _assign(self, _consumer: Any, partitions: Sequence[TopicPartition]) -> None:
        self.partitions = {each.partition for each in partitions}

    def _revoke(self, _consumer: Any, _partitions: Sequence[TopicPartition]) -> None:
        self.partitions = set()

    def poll(self) -> set[int]:
        self.consumer.poll(0.05)
        return self.partitions

    @property
    def metadata(self) -> bytes:
        return self.consumer.consumer_group_metadata()


def send(producer: Any, topic: str, *values: bytes, partition: int = 0) -> None:
    for value in values:
        producer.produce(topic, value, b"k", partition=partition)


def code_of(action: Callable[[], object]) -> KafkaError:
    with pytest.raises(KafkaException) as raised:
        action()
    return raised.value.args[0]


def at(topic: str, offset: int) -> list[TopicPartition]:
    return [TopicPartition(topic, 0, offset)]
