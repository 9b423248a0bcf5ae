"""What a person says to all partitions at once: the time, and which programme is in force.

Both go into `control`, one record per partition, and ingest carries them into `member.events`, exactly once. A
programme is published before the records that name it, all in one transaction: either every partition comes to it, or
none, and whoever reads of it finds it.
"""

import json
import uuid
from collections.abc import Callable, Mapping

from confluent_kafka import KafkaException, Producer

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.events import ProgrammeApplied, Tick
from streams.errors import RekindleError
from streams.kafka import Kafka, producer_config
from streams.members.programmes import read_programmes
from streams.settings import Settings
from streams.topics import CONTROL, PROGRAMMES, check_partitions

TIMEOUT_SECONDS = 30.0


def announce_tick(settings: Settings, tick: Tick) -> int:
    """Write a tick for every partition; returns their number. Raises `RekindleError`."""
    partitions = check_partitions(Kafka(settings))
    value = Codec(Registry.from_settings(settings)).encode(tick)
    _publish(settings, [(CONTROL, None, value, partition) for partition in range(partitions)])
    return partitions


def apply_programme(
    settings: Settings,
    files: Mapping[str, str],
    *,
    now: int,
    occurred_at: int,
    check: Callable[[list[dict[str, str]]], None],
) -> int:
    """Publish a programme and announce it to every partition; returns its number. Raises `RekindleError`.

    `now` is when it was applied, `occurred_at` its place in time among the events (milliseconds since the epoch).
    `check` is given the files of the programmes applied before, oldest first, and raises what forbids this one.
    """
    kafka = Kafka(settings)
    partitions = check_partitions(kafka)
    if PROGRAMMES not in kafka.partition_counts():
        raise RekindleError(f"topic {PROGRAMMES} is missing: run `rekindle topics create`")
    codec = Codec(Registry.from_settings(settings))
    # two at once would take the same number: the fixed transactional id ends the one that began first
    producer = _transactional(settings, f"{settings.group_prefix}-campaigns")
    earlier = read_programmes(kafka, settings.group_prefix)
    check([earlier[each] for each in sorted(earlier)])
    number = max(earlier, default=0) + 1
    programme = json.dumps({"number": number, "applied_at": now, "files": dict(files)}, ensure_ascii=False)
    announcement = codec.encode(ProgrammeApplied(occurred_at=occurred_at, programme=number))
    records = [(PROGRAMMES, b"%d" % number, programme.encode(), 0)]
    _send(producer, [*records, *((CONTROL, None, announcement, partition) for partition in range(partitions))])
    return number


Outgoing = tuple[str, bytes | None, bytes, int]
"""Topic, key, value and partition of a record."""


def _publish(settings: Settings, records: list[Outgoing]) -> None:
    _send(_transactional(settings, f"{settings.group_prefix}-control-{uuid.uuid4().hex}"), records)


def _transactional(settings: Settings, transactional_id: str) -> Producer:
    config = {"transactional.id": transactional_id, "linger.ms": 0, "message.max.bytes": 64_000_000}
    producer = Producer({**producer_config(settings), **config})
    try:
        producer.init_transactions(TIMEOUT_SECONDS)
    except KafkaException as error:
        raise RekindleError(f"Kafka takes no transaction: {error.args[0].str()}") from error
    return producer


def _send(producer: Producer, records: list[Outgoing]) -> None:
    try:
        producer.begin_transaction()
        for topic, key, value, partition in records:
            producer.produce(topic, value, key, partition=partition)
        producer.commit_transaction(TIMEOUT_SECONDS)
    except KafkaException as error:
        raise RekindleError(f"nothing was applied, Kafka refused it: {error.args[0].str()}") from error
