"""Create the declared topics and register the declared schemas, so that producers and workers find both.

Two profiles (`REKINDLE_TOPIC_PROFILE`). `replay` keeps records of any age: Kafka's timestamps are `occurred_at`, and
under the usual retention a record of a past year is deleted within minutes of being written. `production` keeps what
each topic declares, and leaves the limits on timestamps to the broker. Nothing that exists is changed: a topic that
already stands is reported as it is, with what differs.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from schemas.declarations import TopicDeclaration, topic_declarations
from schemas.registry import Registry
from streams.errors import RekindleError
from streams.kafka import admin_client, partition_counts
from streams.settings import Settings
from streams.topics import clock_topic, identity_changelog, members_changelog

CREATE_SECONDS = 30.0
_LISTED_POLL_SECONDS = 0.05
_LONG_MAX = 2**63 - 1
_REPLICAS_FOR_QUORUM = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicState:
    """A declared topic as it is. `partitions` None: it doesn't exist. `wanted` is what it would be created with."""

    name: str
    declaration: TopicDeclaration
    wanted: int
    partitions: int | None
    created: bool = False

    @property
    def state(self) -> str:
        """created, exists, missing, or what differs."""
        if self.partitions is None:
            return "missing"
        if self.partitions != self.wanted:
            return f"exists with {self.partitions} partitions, {self.wanted} were wanted"
        return "created" if self.created else "exists"


def declared_topics(settings: Settings) -> Mapping[str, TopicDeclaration]:
    """Every declared topic by the name that it has under these settings (some carry the group prefix)."""
    names = {
        "rekindle-members-changelog": members_changelog(settings),
        "rekindle-identity-changelog": identity_changelog(settings),
        "rekindle-clock": clock_topic(settings),
    }
    return {names.get(name, name): declaration for name, declaration in topic_declarations().items()}


def topic_states(settings: Settings) -> list[TopicState]:
    """Compare what is declared with what there is. Raises `RekindleError` when no broker answers."""
    counts = partition_counts(settings)
    return [
        TopicState(
            name=name,
            declaration=declaration,
            wanted=declaration.partitions or settings.partitions,
            partitions=counts.get(name),
        )
        for name, declaration in declared_topics(settings).items()
    ]


def create_topics(settings: Settings) -> list[TopicState]:
    """Register every schema, then create the topics that are missing; all topics as they are afterwards.

    Raises `RekindleError` when the registry or Kafka doesn't answer, refuses a schema or a topic.
    """
    before = topic_states(settings)
    # Schemas first: a topic without its schemas would take records that no one can decode.
    Registry.from_settings(settings).register_all()
    missing = [topic for topic in before if topic.partitions is None]
    if missing:
        _create(settings, missing)
    created = {topic.name for topic in missing}
    return [
        TopicState(
            name=topic.name,
            declaration=topic.declaration,
            wanted=topic.wanted,
            partitions=topic.wanted if topic.name in created else topic.partitions,
            created=topic.name in created,
        )
        for topic in before
    ]


def _create(settings: Settings, topics: list[TopicState]) -> None:
    admin = admin_client(settings)
    new = [
        NewTopic(
            topic.name,
            num_partitions=topic.wanted,
            replication_factor=settings.replication_factor,
            config=topic_config(topic.declaration, settings),
        )
        for topic in topics
    ]
    for name, future in admin.create_topics(new, operation_timeout=CREATE_SECONDS).items():
        try:
            future.result(CREATE_SECONDS)
        except KafkaException as error:
            # Someone else created it in between: then it stands, which is what was wanted.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise RekindleError(f"topic {name} cannot be created: {error.args[0].str()}") from None
        except TimeoutError:
            raise RekindleError(f"topic {name} was not created within {CREATE_SECONDS:g} s") from None
    _await_listed(settings, {topic.name for topic in topics})


def _await_listed(settings: Settings, names: set[str]) -> None:
    """Return once the broker lists the new topics: it answers their creation a moment earlier."""
    deadline = time.monotonic() + CREATE_SECONDS
    while not names <= partition_counts(settings).keys():
        if time.monotonic() > deadline:
            raise RekindleError(f"topics are created, and not listed within {CREATE_SECONDS:g} s")
        time.sleep(_LISTED_POLL_SECONDS)


def topic_config(declaration: TopicDeclaration, settings: Settings) -> dict[str, str]:
    """Say how a topic is configured in the settings' profile."""
    config = declaration.config
    if settings.topic_profile == "replay":
        config |= {
            "retention.ms": "-1",
            "message.timestamp.before.max.ms": str(_LONG_MAX),
            "message.timestamp.after.max.ms": str(_LONG_MAX),
        }
    else:
        config["retention.ms"] = str(declaration.retention_ms)
    if settings.replication_factor >= _REPLICAS_FOR_QUORUM:
        config["min.insync.replicas"] = str(settings.replication_factor - 1)
    return config
