"""Puts together what seals and what opens, from the settings; nothing without `REKINDLE_MASTER_KEY`."""

import logging
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition

from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.sealing.key_ring import KeyRing
from streams.sealing.key_store import KeyStore
from streams.sealing.master import VARIABLE, MasterKeys
from streams.sealing.sealer import Sealer
from streams.settings import Settings
from streams.topics import MEMBER_KEYS

ANSWER_SECONDS_MAX = 30.0

logger = logging.getLogger(__name__)


def open_sealer(settings: Settings, kafka: Kafka, directory: Path) -> Sealer | None:
    """Make the sealer of an ingest process, whose keys are kept below its folder. Raises `RekindleError`."""
    master = MasterKeys.from_setting(settings.master_key)
    if master is None:
        _refuse_what_was_sealed(settings, kafka)
        logger.warning("%s is not set: personal events go into the log as they are, and stay there", VARIABLE)
        return None
    return Sealer(kafka, master, lambda partition: KeyStore(_path(directory, partition), active_only=True))


def open_ring(settings: Settings, kafka: Kafka, directory: Path) -> KeyRing | None:
    """Make the keys of a process that reads the log, kept below its folder. Raises `RekindleError`."""
    master = MasterKeys.from_setting(settings.master_key)
    return None if master is None else KeyRing(kafka, master, lambda partition: KeyStore(_path(directory, partition)))


def _refuse_what_was_sealed(settings: Settings, kafka: Kafka) -> None:
    """Raise `RekindleError` where the log was sealed up to now: a key that is forgotten must not go unnoticed.

    Personal events would stand in the log for good, and names that were hashed would be strangers' again.
    """
    partitions = kafka.partition_counts().get(MEMBER_KEYS, 0)
    consumer = kafka.consumer(f"{settings.group_prefix}-keys", {})
    try:
        ends = [
            consumer.get_watermark_offsets(TopicPartition(MEMBER_KEYS, partition), timeout=ANSWER_SECONDS_MAX)[1]
            for partition in range(partitions)
        ]
    except KafkaException as error:
        raise RekindleError(f"topic {MEMBER_KEYS} cannot be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    if any(ends):
        raise RekindleError(
            f"{VARIABLE} is not set, and topic {MEMBER_KEYS} isn't empty: events were sealed up to now, and would go "
            "into the log as they are. Set it; to seal no more, delete the topic once nothing sealed is left"
        )


def _path(directory: Path, partition: int) -> Path:
    return directory / "keys" / str(partition)
