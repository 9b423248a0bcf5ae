"""The committed offsets of a consumer group, read so that no pending transaction hides behind them.

librdkafka asks for stable offsets when it reads `read_committed`: while a transaction that contains an offset of the
partition is neither committed nor aborted, the broker makes it ask again. A worker that takes a partition over
therefore starts behind everything that its predecessor committed, even in its last instant.

Beside each offset stands a note, JSON in the offset's metadata: so `rekindle status` can tell how a partition gets on
without asking any worker. Workers of before wrote `open ticks`, nothing, or an object with the tick alone; they look
for the tick only, and pass over the rest.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, Kafka
from streams.runtime.bounded_waits import waits

TIMEOUT_SECONDS = 60.0
ANSWER_SECONDS_MAX = 10.0
_OPEN_TICKS_BEFORE = "open ticks"  # all that the note of a worker of before said


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is committed beside an offset. All times are in ms since the epoch.

    `at`: when it was committed. `due`: when the partition's earliest timer is due, if it has any. `open_ticks`: what
    ticks before the offset have due, or a programme before it, is still worked off. `tick`: the last that was written
    into the log. `programme`: the number of the last that was.
    """

    at: int | None = None
    due: int | None = None
    open_ticks: bool = False
    tick: int | None = None
    programme: int = 0

    def encode(self) -> str:
        """Return the metadata for the offset."""
        return msgspec.json.encode(self).decode()


def read_note(metadata: str | None) -> Note:
    """Return what the metadata of an offset says; what none of our workers wrote says nothing."""
    if metadata == _OPEN_TICKS_BEFORE:
        return Note(open_ticks=True)
    try:
        return msgspec.json.decode(metadata or "{}", type=Note)
    except msgspec.DecodeError:
        return Note()


@dataclass(frozen=True, slots=True)
class Committed:
    """The next offset to read, and the note that was committed with it."""

    offset: int
    note: Note


class GroupOffsets:
    """Reads offsets; never joins the group."""

    def __init__(self, kafka: Kafka, group: str) -> None:
        self._consumer = kafka.consumer(group, {})
        self._kafka = kafka
        self._group = group

    def committed(self, inputs: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], Committed | None]:
        """Return what was committed for each input, None where nothing was. Raises `RekindleError`."""
        asked = [TopicPartition(topic, partition) for topic, partition in inputs]
        if not asked:
            return {}
        with waits.at_most(TIMEOUT_SECONDS + ANSWER_SECONDS_MAX):
            found = self._ask(asked)
        for each in found:
            if each.error is not None:
                raise RekindleError(f"the offset of {each.topic}/{each.partition} cannot be read: {each.error.str()}")
        return {
            (each.topic, each.partition): Committed(each.offset, read_note(each.metadata)) if each.offset >= 0 else None
            for each in found
        }

    def _ask(self, asked: list[TopicPartition]) -> list[TopicPartition]:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                return self._consumer.committed(asked, timeout=ANSWER_SECONDS_MAX)
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise RekindleError(
                        f"the offsets of group {self._group} cannot be read: {error.args[0].str()}"
                    ) from error

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that a partition still has, and the one behind the last that is decided."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10.0)
        return int(low), int(high)

    def end(self, topic: str, partition: int) -> int:
        """Return the offset behind the last record of a partition, decided or not. Raises `RekindleError`."""
        place = TopicPartition(topic, partition)
        admin = self._kafka.admin()  # its calls end when it is let go
        found = admin.list_offsets(
            {place: OffsetSpec.latest()},  # type: ignore[no-untyped-call]
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
        )
        try:
            return int(found[place].result(REACH_SECONDS).offset)
        except KafkaException as error:
            raise RekindleError(f"the end of {topic}/{partition} cannot be read: {error.args[0].str()}") from error

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
