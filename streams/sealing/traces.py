"""What is left of an erased member in Kafka: keys that should be destroyed, and texts that should be found nowhere.

Topics are read from their beginning, committed records only, so this takes as long as reading them takes.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from confluent_kafka import OFFSET_BEGINNING, KafkaError, TopicPartition

from streams.errors import RekindleError
from streams.ingest.partitions import partition_of
from streams.kafka import READS_TO_END, Kafka, partition_counts
from streams.members.record import FENCE
from streams.sealing.key_record import owner_and_id, read_value
from streams.settings import Settings
from streams.topics import ERASURES, MEMBER_KEYS

BATCH_RECORDS = 5_000
POLL_SECONDS = 0.25
SILENT_SECONDS_MAX = 30.0


def retired_keys(settings: Settings, member: str) -> int:
    """Count the keys of a member that ended with an erasure and aren't destroyed. Raises `RekindleError`."""
    owner = member.encode()
    retired: dict[bytes, bool] = {}
    for _, key, value in _records(settings, [_home(settings, MEMBER_KEYS, owner)]):
        if key is None or key == FENCE or owner_and_id(key)[0] != owner:
            continue
        retired[key] = value is not None and read_value(owner_and_id(key)[1], value).is_retired
    return sum(retired.values())


def erasures(settings: Settings, member: str) -> int:
    """Count the erasures of a member that the members stage has told of. Raises `RekindleError`."""
    owner = member.encode()
    return sum(key == owner for _, key, _ in _records(settings, [_home(settings, ERASURES, owner)]))


def find_texts(settings: Settings, texts: Sequence[str]) -> Mapping[str, int]:
    """Count by topic the records in which one of the texts stands, as UTF-8. Raises `RekindleError`."""
    wanted = [text.encode() for text in texts]
    found: Counter[str] = Counter()
    places = [
        TopicPartition(topic, partition)
        for topic, count in partition_counts(settings).items()
        if not topic.startswith("__")
        for partition in range(count)
    ]
    for topic, key, value in _records(settings, places):
        whole = (key or b"") + b"\n" + (value or b"")
        found[topic] += any(text in whole for text in wanted)
    return +found


def _home(settings: Settings, topic: str, owner: bytes) -> TopicPartition:
    count = partition_counts(settings).get(topic)
    if count is None:
        raise RekindleError(f"topic {topic} is missing: run `rekindle topics create`")
    return TopicPartition(topic, partition_of(owner, count))


def _records(settings: Settings, places: Sequence[TopicPartition]) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    """Yield topic, key and value of every record that the places have by now."""
    consumer = Kafka(settings).consumer("rekindle-erase", {**READS_TO_END, "log_level": 0})
    try:
        consumer.assign([TopicPartition(each.topic, each.partition, OFFSET_BEGINNING) for each in places])
        heard = time.monotonic()
        still_open = {(each.topic, each.partition) for each in places}
        while still_open:
            messages = consumer.consume(BATCH_RECORDS, POLL_SECONDS)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > SILENT_SECONDS_MAX:
                raise RekindleError(f"Kafka sends nothing for {SILENT_SECONDS_MAX:g} s")
            for message in messages:
                error = message.error()
                place = (message.topic() or "", message.partition() or 0)
                if error is None and place in still_open:
                    yield place[0], message.key(), message.value()
                elif error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise RekindleError(f"{place[0]} cannot be read: {error.str()}")
                elif error is not None:
                    still_open.discard(place)
    finally:
        consumer.close()
