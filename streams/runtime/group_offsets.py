"""The committed offsets of a consumer group, read so that no pending transaction hides behind them.

librdkafka asks for stable offsets when it reads `read_committed`: while a transaction that contains an offset of the
partition is neither committed nor aborted, the broker makes it ask again. A worker that takes a partition over
therefore starts behind everything that its predecessor committed, even in its last instant.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException, TopicPartition

from streams.errors import RekindleError
from streams.kafka import Kafka

TIMEOUT_SECONDS = 60.0
OPEN_TICKS_NOTE = "open ticks"
"""Beside an offset of `member.events`: what ticks before it have due is still worked off."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The next offset to read, and the note that was committed with it."""

    offset: int
    note: str


class GroupOffsets:
    """Reads offsets; never joins the group."""

    def __init__(self, kafka: Kafka, group: str) -> None:
        self._consumer = kafka.consumer(group, {})
        self._group = group

    def committed(self, inputs: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Committed | None]:
        """Return what was committed for each input, None where nothing was. Raises `RekindleError`."""
        asked = [TopicPartition(topic, partition) for topic, partition in inputs]
        if not asked:
            return {}
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                found = self._consumer.committed(asked, timeout=10.0)
                break
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise RekindleError(
                        f"the offsets of group {self._group} cannot be read: {error.args[0].str()}"
                    ) from error
        for each in found:
            if each.error is not None:
                raise RekindleError(f"the offset of {each.topic}/{each.partition} cannot be read: {each.error.str()}")
        return {
            (each.topic, each.partition): Committed(each.offset, each.metadata or "") if each.offset >= 0 else None
            for each in found
        }

    def beginning(self, topic: str, partition: int) -> int:
        """Return the first offset that a partition still has."""
        low, _ = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10.0)
        return int(low)

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
