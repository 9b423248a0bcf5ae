"""Whether a worker could start at all: asked once, before anything is begun; one message says what is missing."""

from schemas.registry import Registry
from streams.kafka import Kafka
from streams.settings import Settings
from streams.topics import check_partitions

REGISTERED = "rekindle.log.Tick"


def check_services(settings: Settings) -> None:
    """Raise `RekindleError` unless broker and registry answer, and topics and schemas are there."""
    check_partitions(Kafka(settings))
    Registry.from_settings(settings).id_of(REGISTERED)
