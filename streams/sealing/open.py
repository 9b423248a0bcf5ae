"""Puts together what seals and what opens, from the settings; nothing without `REKINDLE_MASTER_KEY`."""

import logging
from pathlib import Path

from streams.kafka import Kafka
from streams.sealing.key_ring import KeyRing
from streams.sealing.key_store import KeyStore
from streams.sealing.master import VARIABLE, MasterKeys
from streams.sealing.sealer import Sealer
from streams.settings import Settings

logger = logging.getLogger(__name__)


def open_sealer(settings: Settings, kafka: Kafka, directory: Path) -> Sealer | None:
    """Make the sealer of an ingest process, whose keys are kept below its folder. Raises `RekindleError`."""
    master = MasterKeys.from_setting(settings.master_key)
    if master is None:
        logger.warning("%s is not set: personal events go into the log as they are, and stay there", VARIABLE)
        return None
    return Sealer(kafka, master, lambda partition: KeyStore(_path(directory, partition), active_only=True))


def open_ring(settings: Settings, kafka: Kafka, directory: Path) -> KeyRing | None:
    """Make the keys of a process that reads the log, kept below its folder. Raises `RekindleError`."""
    master = MasterKeys.from_setting(settings.master_key)
    return None if master is None else KeyRing(kafka, master, lambda partition: KeyStore(_path(directory, partition)))


def _path(directory: Path, partition: int) -> Path:
    return directory / "keys" / str(partition)
