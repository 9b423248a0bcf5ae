"""What a log promises, run over the real broker and over the one in memory that the simulation of the pipeline uses.

The clients are those of the pipeline (`streams.kafka.Kafka`), so what holds here holds for its code in both.
"""

import os
from typing import Any

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    IsolationLevel,
    KafkaError,
    TopicPartition,
)
from confluent_kafka.admin import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from schemas.declarations import RECORD_BYTES_MAX
from streams.ingest.partitions import partition_of
from streams.kafka import MESSAGE_BYTES_MAX
from tests.contracts.brokers import SECONDS, Broker, at, code_of, send
from tests.support import until

TOO_LARGE = KafkaError.MSG_SIZE_TOO_LARGE
LINGER_MS = 50_000
"""So long a client keeps records to itself, unless it must send them: just less than a transaction may last."""


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


def test_a_topic_may_have_the_brokers_time_which_the_producer_is_told(broker: Broker) -> None:
    stamped, other = broker.topic(**{"message.timestamp.type": "LogAppendTime"}), broker.topic()
    told: dict[str, tuple[int, int]] = {}
    producer = broker.producer()
    for topic in (stamped, other):
        note = lambda error, sent: told.update({str(sent.topic()): sent.timestamp()})  # noqa: E731
        producer.produce(topic, b"", b"a", partition=0, timestamp=1_500_000_000_123, on_delivery=note)
    assert producer.flush(SECONDS) == 0
    kind, stamp = told[stamped]
    assert (kind, told[other]) == (TIMESTAMP_LOG_APPEND_TIME, (TIMESTAMP_CREATE_TIME, 1_500_000_000_123))
    assert abs(stamp - broker.now()) < SECONDS * 1000
    reader = broker.reader(stamped)
    reader.comes_to(b"")
    assert [each.timestamp()[1] for each in reader.messages] == [stamp]


def test_headers_come_as_they_were_put_within_a_transaction_and_without(broker: Broker) -> None:
    topic = broker.topic()
    plain, producer = broker.producer(), broker.producer(broker.name())
    plain.produce(topic, b"one", b"a", partition=0, headers=[("from", b"a"), ("bare", b"")])
    plain.produce(topic, b"two", b"a", partition=0)
    assert plain.flush(SECONDS) == 0
    producer.begin_transaction()
    producer.produce(topic, b"three", b"a", partition=0, headers=[("from", b"b")])
    producer.commit_transaction(SECONDS)
    reader = broker.reader(topic)
    reader.comes_to(b"one", b"two", b"three")
    assert [each.headers() for each in reader.messages] == [[("from", b"a"), ("bare", b"")], None, [("from", b"b")]]


def test_a_record_is_as_large_as_the_producer_sends_and_a_larger_one_is_refused_at_once(broker: Broker) -> None:
    topic = broker.topic(**{"max.message.bytes": str(RECORD_BYTES_MAX)})
    producer = broker.producer(broker.name())
    key, headers = b"k" * 100, [("from", b"a")]
    value = os.urandom(MESSAGE_BYTES_MAX - 36 - len(key) - 2 - len("from") - len(b"a"))
    producer.begin_transaction()
    assert code_of(lambda: producer.produce(topic, value + b"+", key, partition=0, headers=headers)).code() == TOO_LARGE
    batch = [{"key": key, "value": b"1"}, {"key": None, "value": value * 2}, {"key": None, "value": b"2"}]
    assert producer.produce_batch(topic, batch, partition=0) == 2
    assert [each["_error"].code() for each in batch if "_error" in each] == [TOO_LARGE]  # type: ignore[attr-defined]
    producer.produce(topic, value, key, partition=0, headers=headers)
    send(producer, topic, b"3")
    producer.commit_transaction(SECONDS)
    broker.reader(topic).comes_to(b"1", b"2", value, b"3")


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


def test_records_may_still_be_unsent_when_the_offsets_are_part_of_the_transaction(broker: Broker) -> None:
    """Only the commit waits for them: what an heir writes in between, a fence for example, stands before them."""
    topic, group = broker.topic(), broker.name()
    consumer = broker.kafka.consumer(group, {})
    slow, plain = broker.producer(broker.name(), linger_ms=LINGER_MS), broker.producer()
    slow.begin_transaction()
    send(slow, topic, b"late")
    slow.send_offsets_to_transaction(at(topic, 5), consumer.consumer_group_metadata(), SECONDS)
    send(plain, topic, b"fence")
    plain.flush(SECONDS)
    broker.reader(topic, committed=False).comes_to(b"fence")
    error = code_of(lambda: consumer.committed([TopicPartition(topic, 0)], timeout=1.0))
    assert error.code() in {KafkaError._TIMED_OUT, KafkaError.UNSTABLE_OFFSET_COMMIT}, "whoever asks is told to wait"
    slow.commit_transaction(SECONDS)
    broker.reader(topic).comes_to(b"fence", b"late")
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=SECONDS)
    assert found.offset == 5
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
