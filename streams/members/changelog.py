"""A stage's changelog as a topic: made by whoever comes first where nobody has created it.

A state is in the partition of its key, which depends on the number of partitions. Kafka lets that be raised at any
time; the states would stay where they are, and nobody would find them again. So the changelog says with how many it was
written (`streams.members.record.PARTITIONS`), and a start with another number ends.
"""

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from schemas.declarations import topic_declarations
from streams.errors import RekindleError
from streams.kafka import Kafka


def ensure_changelog(kafka: Kafka, topic: str, partitions: int, replicas: int) -> None:
    """Make the changelog if it isn't there. Raises `RekindleError` where it has another number of partitions."""
    count = kafka.partition_counts().get(topic)
    if count is None:
        make_topic(kafka, topic, "rekindle-members-changelog", partitions, replicas)
    elif count != partitions:
        raise RekindleError(f"{topic} has {count} partitions and not {partitions}: {_UNCHANGEABLE}")


def make_topic(kafka: Kafka, topic: str, declared_as: str, partitions: int, replicas: int) -> None:
    """Make a topic as it is declared; another may come first. Raises `RekindleError`."""
    new = NewTopic(topic, partitions, replicas, config=topic_declarations()[declared_as].config)
    admin = kafka.admin()  # its calls end when it is let go
    try:
        admin.create_topics([new])[topic].result(30)
    except KafkaException as error:
        if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
            raise RekindleError(f"topic {topic} cannot be created: {error.args[0].str()}") from error


def check_partitions_kept(topic: str, kept: bytes | None, partitions: int) -> None:
    """Raise `RekindleError` if what the changelog holds was written with another number of partitions."""
    if kept is not None and int(kept) != partitions:
        raise RekindleError(
            f"member.events has {partitions} partitions, but what {topic} holds was written with {int(kept)}: "
            f"create all topics anew with REKINDLE_PARTITIONS={int(kept)}; {_UNCHANGEABLE}"
        )


_UNCHANGEABLE = (
    "the number can't be changed, because states stay in the partitions where their keys were "
    "(docs/operations.md, Sizing and scaling)"
)
