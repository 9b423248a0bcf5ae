"""What compaction and deletion leave of a log, and where; run over the real broker and the one in memory."""

from confluent_kafka import OFFSET_END, KafkaError, TopicPartition

from tests.contracts.brokers import SECONDS, Broker, at, code_of


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
