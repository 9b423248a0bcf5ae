"""What a log promises, run over the real broker and over the one in memory that the simulation of the pipeline uses.

The clients are those of the pipeline (`streams.kafka.Kafka`), so what holds here holds for its code in both.
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from streams.ingest.partitions import partition_of
from streams.kafka import Kafka
from tests.cleaner import CLEANED_SOON, busy_cleaner
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


@pytest.fixture(params=["memory", pytest.param("kafka", marks=pytest.mark.services)])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "kafka":
        settings = request.getfixturevalue("settings")
        with busy_cleaner(settings):
            yield Broker(Kafka(settings), f"contract-{os.getpid()}")
    else:
        yield MemoryBroker()


def send(producer: Any, topic: str, *values: bytes, partition: int = 0) -> None:
    for value in values:
        producer.produce(topic, value, b"k", partition=partition)


def code_of(action: Callable[[], object]) -> KafkaError:
    with pytest.raises(KafkaException) as raised:
        action()
    return raised.value.args[0]


def at(topic: str, offset: int) -> list[TopicPartition]:
    return [TopicPartition(topic, 0, offset)]


def test_records_come_as_they_were_put_key_value_and_time(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer()
    producer.produce(topic, b"one", b"a", partition=0, timestamp=1_500_000_000_123)
    producer.produce(topic, None, b"b", partition=0, timestamp=5)
    assert producer.flush(SECONDS) == 0
    reader = broker.reader(topic)
    reader.comes_to(b"one", None)
    found = [(each.offset(), each.key(), each.timestamp()[1], each.partition()) for each in reader.messages]
    assert found == [(0, b"a", 1_500_000_000_123, 0), (1, b"b", 5, 0)]


def test_a_key_has_one_partition_whoever_reckons_it(broker: Broker) -> None:
    topic = broker.topic(3)
    producer = broker.producer()
    placed: dict[bytes, int] = {}
    for number in range(20):
        key = b"m%d" % number
        producer.produce(topic, b"", key, on_delivery=lambda _, sent: placed.update({sent.key(): sent.partition()}))
    producer.flush(SECONDS)
    assert placed == {key: partition_of(key, 3) for key in placed}
    assert len(placed) == 20


def test_a_transaction_shows_at_once_and_its_marker_takes_an_offset(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    send(producer, topic, b"1", b"2")
    producer.flush(SECONDS)
    reader = broker.reader(topic)
    reader.stays_at()
    producer.commit_transaction(SECONDS)
    producer.begin_transaction()
    send(producer, topic, b"3")
    producer.commit_transaction(SECONDS)
    reader.comes_to(b"1", b"2", b"3")
    assert [each.offset() for each in reader.messages] == [0, 1, 3]


def test_what_was_aborted_is_for_readers_of_everything_only(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    send(producer, topic, b"lost")
    producer.flush(SECONDS)
    producer.abort_transaction(SECONDS)
    producer.begin_transaction()
    send(producer, topic, b"kept")
    producer.commit_transaction(SECONDS)
    broker.reader(topic).comes_to(b"kept")
    broker.reader(topic, committed=False).comes_to(b"lost", b"kept")


def test_an_open_transaction_holds_up_what_stands_behind_it(broker: Broker) -> None:
    topic = broker.topic()
    slow, quick = broker.producer(broker.name()), broker.producer()
    send(quick, topic, b"before")
    quick.flush(SECONDS)
    slow.begin_transaction()
    send(slow, topic, b"slow")
    slow.flush(SECONDS)
    send(quick, topic, b"behind")
    quick.flush(SECONDS)
    reader = broker.reader(topic)
    reader.comes_to(b"before")
    reader.stays_at(b"before")
    slow.commit_transaction(SECONDS)
    reader.comes_to(b"before", b"slow", b"behind")


def test_the_first_and_last_offsets_are_those_of_stable_records(broker: Broker) -> None:
    topic = broker.topic()
    plain, slow = broker.producer(), broker.producer(broker.name())
    send(plain, topic, b"1", b"2", b"3")
    plain.flush(SECONDS)
    slow.begin_transaction()
    send(slow, topic, b"4")
    slow.flush(SECONDS)
    consumer = broker.kafka.consumer(broker.name(), {})
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS) == (0, 3)
    slow.abort_transaction(SECONDS)
    admin = broker.kafka.admin()
    admin.delete_records(at(topic, 2))
    until(lambda: consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS) == (2, 5), SECONDS)
    consumer.close()
    broker.reader(topic, start=0).comes_to(b"3")


def test_the_end_that_counts_the_undecided_lies_behind_an_open_transaction(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    send(producer, topic, b"a", b"b")
    producer.flush(SECONDS)
    admin = broker.kafka.admin()
    place = TopicPartition(topic, 0)
    asked = admin.list_offsets({place: OffsetSpec.latest()}, isolation_level=IsolationLevel.READ_UNCOMMITTED)
    assert asked[place].result(SECONDS).offset == 2
    producer.abort_transaction(SECONDS)


def test_the_end_of_a_partition_is_told_when_asked_for(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    send(producer, topic, b"1")
    producer.commit_transaction(SECONDS)
    consumer = broker.kafka.consumer(broker.name(), {"enable.partition.eof": True})
    consumer.assign(at(topic, OFFSET_BEGINNING))
    seen: list[Any] = []

    def ended() -> bool:
        seen.extend(consumer.consume(10, 0.2))
        return any(each.error() is not None for each in seen)

    until(ended, SECONDS, "the end")
    assert (seen[0].error(), seen[0].value()) == (None, b"1")
    assert seen[-1].error().code() == KafkaError._PARTITION_EOF
    consumer.close()


def test_a_successor_of_the_same_id_ends_what_was_open_and_its_predecessor(broker: Broker) -> None:
    topic, name = broker.topic(), broker.name()
    old = broker.producer(name)
    old.begin_transaction()
    send(old, topic, b"old")
    old.flush(SECONDS)
    new = broker.producer(name)
    new.begin_transaction()
    send(new, topic, b"new")
    new.commit_transaction(SECONDS)
    error = code_of(lambda: old.commit_transaction(SECONDS))
    assert (error.code(), error.fatal()) == (KafkaError._FENCED, True)
    assert code_of(lambda: old.abort_transaction(SECONDS)).code() == KafkaError._FENCED
    assert code_of(old.begin_transaction).code() == KafkaError._FENCED
    broker.reader(topic).comes_to(b"new")


@pytest.mark.timeout(120)
def test_a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced(broker: Broker) -> None:
    topic = broker.topic()
    slow, plain = broker.producer(broker.name(), transaction_timeout_ms=1000), broker.producer()
    slow.begin_transaction()
    send(slow, topic, b"slow")
    slow.flush(SECONDS)
    send(plain, topic, b"behind")
    plain.flush(SECONDS)
    reader = broker.reader(topic)
    reader.comes_to(b"behind")
    assert code_of(lambda: slow.commit_transaction(SECONDS)).fatal()
    reader.stays_at(b"behind")


def test_offsets_count_with_the_commit_and_are_waited_for(broker: Broker) -> None:
    topic, group = broker.topic(), broker.name()
    consumer = broker.kafka.consumer(group, {})
    producer = broker.producer(broker.name())
    metadata = consumer.consumer_group_metadata()

    def committed() -> int:
        (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=SECONDS)
        return found.offset

    assert committed() < 0
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 5, "a note")], metadata, SECONDS)
    error = code_of(lambda: consumer.committed([TopicPartition(topic, 0)], timeout=1.0))
    assert error.code() in {KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT}
    producer.commit_transaction(SECONDS)
    assert committed() == 5
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=SECONDS)
    assert found.metadata == "a note"
    producer.begin_transaction()
    producer.send_offsets_to_transaction(at(topic, 9), metadata, SECONDS)
    producer.abort_transaction(SECONDS)
    assert committed() == 5
    consumer.close()


def test_members_share_the_partitions_and_inherit_them(broker: Broker) -> None:
    topic, group = broker.topic(4), broker.name()
    first = broker.member(group, topic)
    until(lambda: first.poll() == {0, 1, 2, 3}, SECONDS, "all partitions")
    second = broker.member(group, topic)
    until(lambda: (first.poll() and second.poll() and first.partitions | second.partitions) == {0, 1, 2, 3}, SECONDS)
    assert len(first.partitions) == len(second.partitions) == 2
    first.consumer.close()
    until(lambda: second.poll() == {0, 1, 2, 3}, SECONDS, "all partitions")
    second.consumer.close()


def test_who_lost_its_place_cannot_commit_but_may_go_on_with_a_new_one(broker: Broker) -> None:
    topic, group = broker.topic(), broker.name()
    first = broker.member(group, topic)
    until(lambda: first.poll() == {0}, SECONDS, "the partition")
    stale = first.metadata
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    send(producer, topic, b"stale")
    first.consumer.close()
    second = broker.member(group, topic)
    until(lambda: second.poll() == {0}, SECONDS, "the partition")
    error = code_of(lambda: producer.send_offsets_to_transaction(at(topic, 1), stale, SECONDS))
    assert error.code() in {KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID}
    assert not error.fatal()
    code_of(lambda: producer.commit_transaction(SECONDS))
    producer.abort_transaction(SECONDS)
    producer.begin_transaction()
    send(producer, topic, b"fresh")
    producer.send_offsets_to_transaction(at(topic, 1), second.metadata, SECONDS)
    producer.commit_transaction(SECONDS)
    broker.reader(topic).comes_to(b"fresh")
    second.consumer.close()


def test_a_new_generation_of_the_same_member_refuses_the_old_one(broker: Broker) -> None:
    topic, group = broker.topic(2), broker.name()
    first = broker.member(group, topic)
    until(lambda: first.poll() == {0, 1}, SECONDS, "the partitions")
    stale = first.metadata
    second = broker.member(group, topic)
    until(lambda: first.poll() and second.poll() and len(first.partitions) == 1, SECONDS, "a new deal")
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction(at(topic, 1), stale, SECONDS))
    assert error.code() == KafkaError.ILLEGAL_GENERATION
    first.consumer.close()
    second.consumer.close()


def test_an_instance_that_comes_again_takes_its_place_and_fences_the_earlier(broker: Broker) -> None:
    topic, group, instance = broker.topic(2), broker.name(), broker.name()
    first = broker.member(group, topic, group_instance_id=instance)
    until(lambda: first.poll() == {0, 1}, SECONDS, "the partitions")
    second = broker.member(group, topic, group_instance_id=instance)
    until(lambda: second.poll() == {0, 1}, SECONDS, "the partitions")
    producer = broker.producer(broker.name())
    producer.begin_transaction()
    error = code_of(lambda: producer.send_offsets_to_transaction(at(topic, 1), first.metadata, SECONDS))
    assert error.code() == KafkaError.FENCED_INSTANCE_ID
    second.consumer.close()


def test_a_producer_refuses_what_is_out_of_turn(broker: Broker) -> None:
    topic = broker.topic()
    producer = broker.producer(broker.name())
    assert code_of(lambda: producer.commit_transaction(SECONDS)).code() == KafkaError._STATE
    assert code_of(lambda: producer.produce(topic, b"")).code() == KafkaError._STATE
    producer.begin_transaction()
    assert code_of(producer.begin_transaction).code() == KafkaError._STATE
    producer.commit_transaction(SECONDS)


def test_a_topic_exists_once(broker: Broker) -> None:
    topic = broker.topic()
    assert broker.kafka.partition_counts()[topic] == 1
    admin = broker.kafka.admin()
    again = admin.create_topics([NewTopic(topic, 1, 1)])[topic]
    assert again.exception(SECONDS).args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS


# Compaction and deletion ---------------------------------------------------------------------------------------------


def put(broker: Broker, topic: str, *records: tuple[bytes, bytes | None]) -> None:
    producer = broker.producer()
    for key, value in records:
        producer.produce(topic, value, key, partition=0)
    assert producer.flush(SECONDS) == 0


def test_compaction_leaves_the_last_of_each_key_where_it_stood(broker: Broker) -> None:
    topic = broker.compacted_topic()
    put(broker, topic, (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4"), (b"b", b"5"))
    broker.compact(topic, b"1", b"2")
    assert broker.contents(topic) == [(2, b"a", b"3"), (3, b"c", b"4"), (4, b"b", b"5")]
    for start in (0, 1, 2):  # whoever stands where nothing is any more goes on with what comes next
        assert broker.contents(topic, start=start)[0] == (2, b"a", b"3")
    assert broker.contents(topic, start=3) == [(3, b"c", b"4"), (4, b"b", b"5")]
    consumer = broker.kafka.consumer(broker.name(), {})
    first, end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS)
    consumer.close()
    assert first == 0
    assert end > 5  # with the fences
    put(broker, topic, (b"c", b"6"))
    broker.compact(topic, b"4")
    assert broker.contents(topic) == [(2, b"a", b"3"), (4, b"b", b"5"), (end, b"c", b"6")]


def test_a_tombstone_takes_what_was_before_it_and_stands_for_a_while(broker: Broker) -> None:
    topic = broker.compacted_topic()
    put(broker, topic, (b"a", b"1"), (b"b", b"2"), (b"a", None))
    broker.compact(topic, b"1")
    assert broker.contents(topic) == [(1, b"b", b"2"), (2, b"a", None)]
    put(broker, topic, (b"a", b"3"))  # who comes again after it
    broker.compact(topic, None)
    assert [record[1:] for record in broker.contents(topic)] == [(b"b", b"2"), (b"a", b"3")]


def test_a_tombstone_goes_when_its_time_is_over_and_nothing_comes_back(broker: Broker) -> None:
    topic = broker.compacted_topic(tombstones_for="1")
    put(broker, topic, (b"a", b"1"), (b"b", b"2"), (b"a", None))
    broker.compact(topic, b"1", None)
    assert broker.contents(topic) == [(1, b"b", b"2")]


def test_what_was_aborted_takes_nothing_with_it(broker: Broker) -> None:
    topic = broker.compacted_topic()
    producer = broker.producer(broker.name())
    for number, action in enumerate((producer.commit_transaction, producer.abort_transaction)):
        producer.begin_transaction()
        producer.produce(topic, b"%d" % number, b"a", partition=0)
        producer.produce(topic, b"%d other" % number, b"b", partition=0)
        action(SECONDS)
    put(broker, topic, (b"b", b"2 other"))
    broker.compact(topic, b"0 other")
    assert [record[1:] for record in broker.contents(topic)] == [(b"a", b"0"), (b"b", b"2 other")]


def test_nothing_from_the_first_undecided_record_on_is_compacted(broker: Broker) -> None:
    topic = broker.compacted_topic()
    put(broker, topic, (b"a", b"1"), (b"z", b"2"), (b"z", b"3"))
    slow = broker.producer(broker.name())
    slow.begin_transaction()
    slow.produce(topic, b"4", b"a", partition=0)
    slow.flush(SECONDS)
    put(broker, topic, (b"z", b"5"), (b"z", b"6"))
    broker.compact(topic, b"2")
    every = [(0, b"a", b"1"), (2, b"z", b"3"), (3, b"a", b"4"), (4, b"z", b"5"), (5, b"z", b"6")]
    assert broker.contents(topic, committed=False) == every
    assert broker.contents(topic) == every[:2]
    slow.commit_transaction(SECONDS)
    broker.compact(topic, b"1", b"3", b"5")
    assert broker.contents(topic) == [(3, b"a", b"4"), (5, b"z", b"6")]


def test_records_are_deleted_from_the_beginning_on_and_the_others_stay_where_they_are(broker: Broker) -> None:
    topic = broker.topic()
    put(broker, topic, *((b"k", b"%d" % number) for number in range(5)))
    admin = broker.kafka.admin()

    def delete(offset: int) -> int:
        (deleted,) = admin.delete_records(at(topic, offset)).values()
        return deleted.result(SECONDS).low_watermark

    assert delete(2) == 2
    assert delete(1) == 2  # nothing comes back
    assert broker.contents(topic) == [(2, b"k", b"2"), (3, b"k", b"3"), (4, b"k", b"4")]
    assert broker.contents(topic, start=3) == [(3, b"k", b"3"), (4, b"k", b"4")]
    assert code_of(lambda: delete(6)).code() == KafkaError.OFFSET_OUT_OF_RANGE
    assert delete(OFFSET_END) == 5
    put(broker, topic, (b"k", b"5"))
    assert broker.contents(topic) == [(5, b"k", b"5")]
