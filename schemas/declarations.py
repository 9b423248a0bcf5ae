"""What the project declares about its data: the Avro files and the topic files, read once, checked, never changed.

`avro/*.avsc` and `topics/*.yaml` are the source of truth; everything else here is derived from them: the catalogue of
event types, what `topics create` creates and registers, what the codec writes and reads, the tables in the docs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

FOLDER = Path(__file__).parent
RECORD_BYTES_MAX = 8 * 1024 * 1024
"""What a topic takes at once, whatever its broker takes by default: programmes travel as one record, and records that
are read (1 MiB) go on with more around them (`streams.kafka.MESSAGE_BYTES_MAX`)."""
EVENTS_NAMESPACE = "rekindle.events"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDeclaration:
    """One topic. `partitions` None means as many as the settings say; `retention` is an ISO duration or `forever`.

    Of a compacted topic, `compacted_within` says how long a record may stand beside its successor, `tombstones_kept`
    how long a deletion can be read; None leaves both to the broker. `stamped_by` says whose records' timestamps are.
    """

    name: str
    doc: str
    owner: str
    key: str
    schemas: tuple[str, ...]
    value: str | None
    partitions: int | None
    retention: str
    cleanup: Literal["delete", "compact"]
    dead_letters: str | None
    compacted_within: str | None = None
    tombstones_kept: str | None = None
    stamped_by: Literal["producer", "broker"] = "producer"

    @property
    def retention_ms(self) -> int:
        """How long records stay, in milliseconds; -1 for ever."""
        return -1 if self.retention == "forever" else days_ms(self.retention)

    @property
    def compaction(self) -> Mapping[str, str]:
        """How Kafka is told when to compact."""
        told = {"max.compaction.lag.ms": self.compacted_within, "delete.retention.ms": self.tombstones_kept}
        return {name: str(days_ms(days)) for name, days in told.items() if days is not None}

    @property
    def config(self) -> dict[str, str]:
        """How Kafka is told of the topic whatever the installation."""
        stamps = {"message.timestamp.type": "LogAppendTime"} if self.stamped_by == "broker" else {}
        return {"cleanup.policy": self.cleanup, "max.message.bytes": str(RECORD_BYTES_MAX), **self.compaction, **stamps}


def days_ms(days: str) -> int:
    """Return an ISO duration of whole days in milliseconds."""
    return int(days.removeprefix("P").removesuffix("D")) * 86_400_000


@cache
def avro_schemas() -> Mapping[str, Mapping[str, Any]]:
    """Every record schema as its file has it, by full name (`rekindle.events.PurchaseCompleted`)."""
    found = {}
    for path in sorted((FOLDER / "avro").glob("*.avsc")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        found[f"{schema['namespace']}.{schema['name']}"] = schema
    return MappingProxyType(found)


@cache
def topic_declarations() -> Mapping[str, TopicDeclaration]:
    """Every declared topic by its name."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found = {}
    for path in sorted((FOLDER / "topics").glob("*.yaml")):
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506 - a safe loader, in C if there is one
        partitions = raw.pop("partitions")
        declaration = TopicDeclaration(
            **{
                **raw,
                "schemas": tuple(raw.get("schemas", ())),
                "value": raw.get("value"),
                "partitions": None if partitions == "default" else partitions,
            }
        )
        found[declaration.name] = declaration
    return MappingProxyType(found)
