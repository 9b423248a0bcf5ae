"""The programmes that were applied, read from their compacted topic when the log says that one comes into force.

A programme is published before the record that names it, so it can always be read; if the broker is slow, this waits.
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, TopicPartition

from streams.errors import RekindleError
from streams.kafka import READS_TO_END, Kafka
from streams.topics import PROGRAMMES

PATIENCE_SECONDS = 30.0

logger = logging.getLogger(__name__)


class Loader(Protocol):
    """Whoever turns bundles into a programme."""

    def load(self, bundles: Sequence[dict[str, str]], number: int) -> Any:
        """Read a programme; the last bundle is in force, none for the one in which nothing happens."""


class Programmes:
    """Loads programmes by number and keeps those that are in use."""

    def __init__(self, kafka: Kafka, group_prefix: str, loader: Loader) -> None:
        self._kafka = kafka
        self._group_prefix = group_prefix
        self._loader = loader
        self._bundles: dict[int, dict[str, str]] = {}
        self._loaded: dict[int, Any] = {}

    def get(self, number: int) -> Any:
        """Return programme `number` with the definitions of those before it; number 0 is before the first.

        Raises `RekindleError` when it isn't in the topic or cannot be loaded.
        """
        if number not in self._loaded:
            if number > 0:
                self._read_until(number)
            bundles = [self._bundles[each] for each in sorted(self._bundles) if each <= number]
            self._loaded[number] = self._loader.load(bundles, number)
            logger.info("programme %d loaded", number)
        return self._loaded[number]

    def _read_until(self, number: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while number not in self._bundles:
            self._bundles.update(read_programmes(self._kafka, self._group_prefix))
            if number not in self._bundles and time.monotonic() > deadline:
                raise RekindleError(f"programme {number} is in the log but not in topic {PROGRAMMES}")


def read_programmes(kafka: Kafka, group_prefix: str) -> dict[int, dict[str, str]]:
    """Read all programmes that were ever applied, by number. Raises `RekindleError`."""
    consumer = kafka.consumer(f"{group_prefix}-programmes", READS_TO_END)
    try:
        return {
            int(message.key()): json.loads(message.value())["files"]
            for message in _read_to_end(consumer)
            if message.value() is not None
        }
    except KafkaException as error:
        raise RekindleError(f"topic {PROGRAMMES} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()


def _read_to_end(consumer: Any) -> Iterator[Any]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    consumer.assign([TopicPartition(PROGRAMMES, 0, OFFSET_BEGINNING)])
    while True:
        message = consumer.poll(1.0)
        if message is None:
            if time.monotonic() > deadline:
                raise RekindleError(f"topic {PROGRAMMES} cannot be read to its end")
        elif message.error() is None:
            yield message
        elif message.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public name for it
            return
        else:
            raise KafkaException(message.error())
