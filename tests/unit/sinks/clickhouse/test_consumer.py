"""What a sink says when it can't go on."""

import threading
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from sinks.clickhouse.batch import Limits
from sinks.clickhouse.consumer import ClickHouseSink
from streams.errors import RekindleError
from streams.settings import Settings
from tests.pipeline.tables import Tables, TablesClient


class Giving:
    """A consumer that is given one partition, and in it these messages."""

    def __init__(self, stop, *messages):
        self._stop = stop
        self._messages = list(messages)

    def subscribe(self, topics, *, on_assign, **_):
        on_assign(self, [TopicPartition("t", 0)])

    def incremental_assign(self, _):
        pass

    def resume(self, places):
        self.resumed = [(place.topic, place.partition) for place in places]

    def consume(self, *_):
        found, self._messages = self._messages, []
        if not found:
            self._stop.set()
        return found

    def get_watermark_offsets(self, *_, **__):
        return 0, 2

    def commit(self, **_):
        pass

    def close(self):
        pass


def test_a_record_is_marked_as_sent_on_by_its_header():
    stop = threading.Event()
    headers = (None, [("other", b""), ("sent-on", b"")], [("other", b"sent-on")])
    messages = [
        Message("t", 0, place, b"k", b"v", headers=each, timestamp=(1, 7)) for place, each in enumerate(headers)
    ]
    batches = []
    tables = Tables(0)
    tables.losing = 0.0
    process = SimpleNamespace(give_way=lambda _: None, draw_loss=lambda _: None)
    sink = ClickHouseSink(
        Settings(),
        ["t"],
        lambda *_: [],
        stop,
        limits=Limits(linger_s=0),
        writers=SimpleNamespace(results=lambda **_: [], pending=0, submit=lambda _, batch: batches.append(batch)),
        open_consumer=lambda _: Giving(stop, *messages),
        open_client=lambda _: TablesClient(tables, process, lambda _: None),
    )
    sink.run()
    (batch,) = batches
    assert [each.sent_on for each in batch.records] == [False, True, False]


def test_a_partition_that_comes_is_read_also_if_it_was_paused_when_it_went_away():
    """Which the client keeps: it would never be read again."""
    stop = threading.Event()
    tables = Tables(0)
    tables.losing = 0.0
    process = SimpleNamespace(give_way=lambda _: None, draw_loss=lambda _: None)
    consumer = Giving(stop)
    sink = ClickHouseSink(
        Settings(),
        ["t"],
        lambda *_: [],
        stop,
        writers=SimpleNamespace(results=lambda **_: [], pending=0),
        open_consumer=lambda _: consumer,
        open_client=lambda _: TablesClient(tables, process, lambda _: None),
    )
    sink.run()
    assert consumer.resumed == [("t", 0)]


class Silent:
    """A consumer that is given a partition by a broker which answers nothing more."""

    def subscribe(self, topics, *, on_assign, **_):
        self._on_assign = on_assign

    def consume(self, *_):
        self._on_assign(self, [TopicPartition("t", 0)])
        return []

    def get_watermark_offsets(self, *_, **__):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def close(self):
        pass


def test_it_is_kafka_that_does_not_answer_not_clickhouse_that_refuses():
    tables = Tables(0)
    tables.losing = 0.0
    tables.insert("sink_batches", [("t", 0, 0, 4)], "t/0/0")
    process = SimpleNamespace(give_way=lambda _: None, draw_loss=lambda _: None)
    sink = ClickHouseSink(
        Settings(),
        ["t"],
        lambda *_: [],
        threading.Event(),
        writers=SimpleNamespace(results=list, pending=0),
        open_consumer=lambda _: Silent(),
        open_client=lambda _: TablesClient(tables, process, lambda _: None),
    )
    with pytest.raises(RekindleError, match=r"^Kafka: "):
        sink.run()
