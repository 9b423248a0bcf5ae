"""What a sink says when it can't go on."""

import threading
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from sinks.clickhouse.consumer import ClickHouseSink
from streams.errors import RekindleError
from streams.settings import Settings
from tests.pipeline.tables import Tables, TablesClient


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
