"""The broker's log cleaner in tests: it compacts what is closed at once, instead of now and then."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.kafka import client_config
from streams.settings import Settings

CLEANED_SOON = {"segment.ms": "50", "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "1"}
"""Of a compacted topic: many segments, all of them worth cleaning, and tombstones that don't stay."""
_BACKOFF = "log.cleaner.backoff.ms"


def configure(admin: AdminClient, kind: ResourceType, name: str, **values: str | None) -> None:
    """Set what has a value, and put back to its default what has none."""
    entries = [
        ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET if value else AlterConfigOpType.DELETE)
        for key, value in values.items()
    ]
    resource = ConfigResource(kind, name, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(30)


@contextmanager
def busy_cleaner(settings: Settings) -> Iterator[AdminClient]:
    """Let the broker look for what it can clean all the time."""
    admin = AdminClient(client_config(settings))
    configure(admin, ResourceType.BROKER, "1", **{_BACKOFF: "100"})
    yield admin
    configure(admin, ResourceType.BROKER, "1", **{_BACKOFF: None})
