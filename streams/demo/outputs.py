"""What a run put out: every committed command of a topic, read once from its beginning to its present end."""

import time
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import BadRecord, Codec
from schemas.registry import Registry
from streams import kafka
from streams.engine.commands import Command
from streams.errors import RekindleError
from streams.settings import Settings

_BATCH = 2000
_GATHER_S = 0.1
_SILENCE_S_MAX = 30.0


def read_commands(settings: Settings, topics: Iterable[str]) -> Iterator[Command]:
    """Decode all committed commands of `topics`, in no particular order across partitions.

    Raises `RekindleError` for a record that is none, or when the broker falls silent.
    """
    codec = Codec(Registry.from_settings(settings))
    for messages in _read(settings, topics):
        for found in codec.decode_commands([message.value() or b"" for message in messages]):
            if isinstance(found, BadRecord):
                raise RekindleError(f"{messages[0].topic()}: a record is no command: {found.reason}")
            yield found


def count_records(settings: Settings, topics: Iterable[str]) -> int:
    """Count the committed records of `topics`. Raises `RekindleError` when the broker falls silent."""
    return sum(len(messages) for messages in _read(settings, topics))


def _read(settings: Settings, topics: Iterable[str]) -> Iterator[list[Message]]:
    counts = kafka.partition_counts(settings)
    assigned = [TopicPartition(topic, n, 0) for topic in topics for n in range(counts.get(topic, 0))]
    consumer = kafka.Kafka(settings).consumer("rekindle-demo", kafka.READS_TO_END)
    try:
        consumer.assign(assigned)
        left, heard_at = len(assigned), time.monotonic()
        while left and time.monotonic() < heard_at + _SILENCE_S_MAX:
            # It waits for a full batch or the time, whichever comes first.
            batch = consumer.consume(_BATCH, timeout=_GATHER_S)
            if not batch:
                continue
            heard_at = time.monotonic()
            left -= sum(_is_end(message) for message in batch)
            messages = [message for message in batch if message.error() is None]
            if messages:
                yield messages
    except KafkaException as error:
        raise RekindleError(f"the outputs cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    if left:
        raise RekindleError(f"Kafka sent nothing for {_SILENCE_S_MAX:.0f} s while the outputs were read")


def _is_end(message: Message) -> bool:
    """Whether it says that a partition has no more; raises `KafkaException` for anything else that is no record."""
    error = message.error()
    if error is None:
        return False
    if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name for it
        raise KafkaException(error)
    return True
