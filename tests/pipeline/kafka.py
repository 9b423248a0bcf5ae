"""`streams.kafka.Kafka` over a log in memory: what the stages are given in the simulation."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any

from confluent_kafka import OFFSET_END, IsolationLevel, KafkaError, KafkaException, TopicPartition

from streams.kafka import MESSAGE_BYTES_MAX
from tests.pipeline.consumer import MemoryConsumer
from tests.pipeline.groups import Refused
from tests.pipeline.log import Log
from tests.pipeline.network import Lost, Network
from tests.pipeline.producer import MemoryProducer, failure, timed_out


class MemoryKafka:
    """One process's clients."""

    def __init__(self, network: Network) -> None:
        self._log = network.log
        self._network = network

    def producer(self, config: Mapping[str, Any]) -> MemoryProducer:
        """Make a producer."""
        return MemoryProducer(self._log, self._network, {"message.max.bytes": MESSAGE_BYTES_MAX, **config})

    def consumer(self, group: str, config: Mapping[str, Any]) -> MemoryConsumer:
        """Make a consumer."""
        defaults = {"group.id": group, "isolation.level": "read_committed", "auto.offset.reset": "earliest"}
        return MemoryConsumer(self._log, self._network, {**defaults, **config})

    def admin(self) -> "MemoryAdmin":
        """Open an admin client."""
        return MemoryAdmin(self._log, self._network)

    def partition_counts(self) -> dict[str, int]:
        """Every topic with its number of partitions."""
        return self._network.call("list_topics", self._log.counts)


class MemoryAdmin:
    """The admin calls that the pipeline makes."""

    def __init__(self, log: Log, network: Network) -> None:
        self._log = log
        self._network = network

    def create_topics(self, topics: Sequence[Any]) -> dict[str, Future[None]]:
        """Create topics."""
        create = self._log.create_topic
        return {
            each.topic: self._answer("create_topic", partial(create, each.topic, each.num_partitions, each.config))
            for each in topics
        }

    def list_offsets(self, wanted: Mapping[TopicPartition, Any], isolation_level: Any) -> dict[TopicPartition, Any]:
        """Tell the ends of partitions, what is undecided included."""
        assert isolation_level == IsolationLevel.READ_UNCOMMITTED

        def end(each: TopicPartition) -> Any:
            return SimpleNamespace(offset=self._log.partition((each.topic, each.partition)).end)

        return {each: self._answer("list_offsets", lambda each=each: end(each)) for each in wanted}

    def delete_records(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, Future[Any]]:
        """Delete the records before the offset of each, or all."""

        def delete(each: TopicPartition) -> Any:
            found = self._log.partition((each.topic, each.partition))
            if each.offset > found.end:
                raise Refused(KafkaError.OFFSET_OUT_OF_RANGE)
            found.delete_before(found.end if each.offset == OFFSET_END else each.offset)
            return SimpleNamespace(low_watermark=found.start)

        return {each: self._answer("delete_records", lambda each=each: delete(each)) for each in partitions}

    def _answer(self, name: str, action: Callable[[], Any]) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(self._network.call(name, action))
        except Lost:
            future.set_exception(timed_out())
        except Refused as refused:
            future.set_exception(KafkaException(failure(refused.code).args[0]))
        return future
