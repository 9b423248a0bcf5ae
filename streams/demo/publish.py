"""The upstream producer of the demo: the whole year as Avro into the source topics, in order of time."""

from collections.abc import Iterator

from confluent_kafka import KafkaException, Producer

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Codec
from schemas.registry import Registry
from streams.demo.input import FIRST_MOMENT_MS, generate
from streams.errors import RekindleError
from streams.kafka import producer_config
from streams.settings import Settings

_YEAR_MS = 366 * 86_400_000
_REPORT_EVERY = 2000
_FLUSH_S = 60.0


def publish_year(settings: Settings, members: int | None = None) -> Iterator[tuple[int, float]]:
    """Publish the events of the first so many members (all by default); yields how many, and the share of the year.

    Raises `RekindleError` when the broker or the registry fails, or doesn't take a record.
    """
    codec = Codec(Registry.from_settings(settings))
    producer = Producer({**producer_config(settings), "linger.ms": 50, "queue.buffering.max.messages": 100_000})
    failures: list[str] = []

    def delivered(error: object, message: object) -> None:
        del message
        if error is not None:
            failures.append(str(error))

    published = 0
    for event in generate(members):
        topic = EVENT_TYPES[event.type].topic
        assert topic is not None
        value, key = codec.encode(event), event.key.encode()
        while True:
            try:
                producer.produce(topic, value, key, timestamp=event.occurred_at, on_delivery=delivered)
            except BufferError:
                producer.poll(0.1)
                continue
            except KafkaException as error:
                raise RekindleError(f"{topic}: {error.args[0].str()}") from error
            break
        published += 1
        if published % _REPORT_EVERY == 0:
            producer.poll(0)
            _refuse(failures)
            yield published, (event.occurred_at - FIRST_MOMENT_MS) / _YEAR_MS
    left = producer.flush(_FLUSH_S)
    _refuse(failures)
    if left:
        raise RekindleError(f"the broker hasn't taken {left} events within {_FLUSH_S:.0f} s")
    yield published, 1.0


def _refuse(failures: list[str]) -> None:
    if failures:
        raise RekindleError(f"the broker has refused {len(failures)} events, the first because: {failures[0]}")
