"""What ends an ingest task whose group has lost its offsets: else it would append what the sources still hold again."""

from typing import Any

from confluent_kafka import TopicPartition

from schemas.values import format_time
from streams.errors import RekindleError
from streams.kafka import READS_TO_END, Kafka
from streams.topics import CONTROL, MEMBER_EVENTS

LAST_OFFSETS = 1000
LOOK_SECONDS = 5.0


def offsets_gone(kafka: Kafka, group: str, partition: int) -> RekindleError:
    """Make the error: it says when the partition was written last, which is what is needed to set the offsets."""
    last = _last_time(kafka, group, partition)
    until = "" if last is None else f" up to {format_time(last)}"
    return RekindleError(
        f"{MEMBER_EVENTS}/{partition} was written{until}, and the group {group} has no committed offset of "
        f"{CONTROL}/{partition}: what the source topics still hold would be appended again. Set the group's offsets "
        "first (docs/operations.md, Offsets of ingest are gone)"
    )


def _last_time(kafka: Kafka, group: str, partition: int) -> int | None:
    """Return the latest time among the last records of the log, in ms since the epoch; None if there are none."""
    consumer = kafka.consumer(f"{group}-look", READS_TO_END)
    place = TopicPartition(MEMBER_EVENTS, partition)
    low, end = consumer.get_watermark_offsets(place, timeout=LOOK_SECONDS)
    consumer.assign([TopicPartition(MEMBER_EVENTS, partition, max(low, end - LAST_OFFSETS))])
    times: list[int] = []
    messages: list[Any] = consumer.consume(LAST_OFFSETS, LOOK_SECONDS)
    while messages and messages[-1].error() is None:
        times += [message.timestamp()[1] for message in messages]
        messages = consumer.consume(LAST_OFFSETS, LOOK_SECONDS)
    times += [message.timestamp()[1] for message in messages if message.error() is None]
    consumer.close()
    return max(times, default=None)
