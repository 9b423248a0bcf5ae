"""What time it is by the broker's clock, which no worker sets.

Kafka tells it in no answer but one: to a record that goes into a topic with `message.timestamp.type=LogAppendTime` the
broker answers with the time that it has stamped it with. So there is a small topic for it.
"""

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.changelog import make_topic


class BrokerTime:
    """Asks one question at a time. One thread at a time."""

    def __init__(self, kafka: Kafka, topic: str, replicas: int, worker: str) -> None:
        """`worker` is the key of what it writes, so that the topic stays small."""
        self._kafka = kafka
        self._topic = topic
        self._replicas = replicas
        self._key = worker.encode()
        self._producer: Producer | None = None
        self._question = 0
        self._stamp: tuple[int, int] | None = None  # its type and milliseconds since the epoch
        self.failure: str | None = None
        """Why there is no answer, as far as it is known."""

    def ask(self) -> None:
        """Send the question, and forget the one before. Raises `RekindleError`."""
        producer = self._open()
        self._question += 1
        self._stamp = self.failure = None
        question = self._question

        def delivered(error: KafkaError | None, message: Message) -> None:
            if question == self._question:
                if error is not None:
                    self.failure = error.str()
                else:
                    self._stamp = message.timestamp()

        try:
            producer.produce(self._topic, b"", self._key, partition=0, on_delivery=delivered)
        except (BufferError, KafkaException) as error:
            self.failure = str(error)

    def answer(self, seconds: float) -> int | None:
        """Wait so long for the broker's time, in milliseconds since the epoch; None while it hasn't answered.

        Raises `RekindleError` where the topic doesn't take the broker's time.
        """
        assert self._producer is not None, "asked before"
        if self._stamp is None and self.failure is None:
            if seconds:
                self._producer.flush(seconds)
            else:
                self._producer.poll(0)
        if self._stamp is None:
            return None
        kind, stamp = self._stamp
        if kind != TIMESTAMP_LOG_APPEND_TIME:
            raise RekindleError(
                f"topic {self._topic} doesn't tell the broker's time: set its message.timestamp.type to LogAppendTime"
            )
        return stamp

    def _open(self) -> Producer:
        if self._producer is None:
            if self._topic not in self._kafka.partition_counts():
                make_topic(self._kafka, self._topic, "rekindle-clock", 1, self._replicas)
            # a question may well stand there twice: without idempotence the producer is ready at once
            self._producer = self._kafka.producer({"enable.idempotence": False, "linger.ms": 0})
        return self._producer
