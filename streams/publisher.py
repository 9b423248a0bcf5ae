"""Events into the source topics, as an upstream producer writes them: one place for keys, timestamps and refusals.

Key = member id, else the stranger's key; Kafka timestamp = `occurred_at`; acknowledged by all replicas. What waits in
this process is bounded: a caller that is faster than the broker waits in `publish`.
"""

from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, Producer

from schemas.catalogue import EVENT_TYPES
from schemas.codec import VALUE_BYTES_MAX, Codec
from schemas.registry import Registry
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.kafka import partition_counts, producer_config
from streams.settings import Settings

QUEUED_RECORDS_MAX = 100_000
FLUSH_SECONDS = 60.0
_REPORT_EVERY = 1_000


class NotPublishedError(RekindleError):
    """Kafka did not take everything: `reason`, and how many events were acknowledged."""

    def __init__(self, reason: str, acknowledged: int) -> None:
        super().__init__(f"Kafka did not take all records ({reason}): {acknowledged} are published")
        self.reason = reason
        self.acknowledged = acknowledged


def topic_of(event_type: str) -> str:
    """Name the source topic of an event type."""
    topic = EVENT_TYPES[event_type].topic
    assert topic is not None, f"{event_type} is derived: nobody publishes it"
    return topic


def check_topics(settings: Settings, wanted: set[str]) -> None:
    """Raise `RekindleError` for topics that Kafka doesn't have."""
    missing = sorted(wanted - partition_counts(settings).keys())
    if missing:
        raise RekindleError(f"topics are missing ({', '.join(missing)}): run `rekindle topics create`")


class Publisher:
    """Publishes events; `advance` is told of acknowledged ones, some at a time."""

    def __init__(self, settings: Settings, advance: Callable[[int], None] = lambda _count: None) -> None:
        own = {
            "linger.ms": 20,
            "queue.buffering.max.messages": QUEUED_RECORDS_MAX,
            "message.max.bytes": VALUE_BYTES_MAX,  # what is larger would be put aside unread
            "log_level": 0,
        }
        self._codec = Codec(Registry.from_settings(settings))
        self._producer = Producer({**producer_config(settings), **own})
        self._advance = advance
        self._reported = 0
        self._failure: str | None = None
        self.acknowledged = 0

    def publish(self, event: Event) -> None:
        """Hand over one event. Raises `NotPublishedError`, also for an earlier one."""
        # A timestamp of 0 would mean "now" to the client, and Kafka has none before 1970.
        timestamp = max(event.occurred_at, 1)
        self.put(topic_of(event.type), self._codec.encode(event), event.key.encode(), timestamp)

    def put(self, topic: str, value: bytes, key: bytes, timestamp: int) -> None:
        """Hand over a record that is encoded. Raises `NotPublishedError`, also for an earlier one."""
        while self._failure is None:
            try:
                self._producer.produce(topic, value, key, timestamp=timestamp, on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
            except KafkaException as error:
                self._failure = error.args[0].str()
        self._producer.poll(0)
        if self._failure is not None:
            self.flush()

    def flush(self) -> None:
        """Wait until all are acknowledged. Raises `NotPublishedError`."""
        left = self._producer.flush(FLUSH_SECONDS)
        self._report()
        if self._failure is None and left:
            self._failure = f"{left} not acknowledged within {FLUSH_SECONDS:g} s"
        if self._failure is not None:
            raise NotPublishedError(self._failure, self.acknowledged)

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failure = self._failure or error.str()
            return
        self.acknowledged += 1
        if self.acknowledged - self._reported >= _REPORT_EVERY:
            self._report()

    def _report(self) -> None:
        self._advance(self.acknowledged - self._reported)
        self._reported = self.acknowledged
