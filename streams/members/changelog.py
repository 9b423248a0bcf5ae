"""A stage's changelog as a topic: made by whoever comes first where nobody has created it."""

from confluent_kafka import KafkaException
from confluent_kafka.cimpl import NewTopic

from schemas.declarations import RECORD_BYTES_MAX, topic_declarations
from streams.errors import RekindleError
from streams.kafka import Kafka


def ensure_changelog(kafka: Kafka, topic: str, partitions: int, replicas: int) -> None:
    """Make the changelog if it isn't there. Raises `RekindleError` where it has another number of partitions."""
    count = kafka.partition_counts().get(topic)
    if count is None:
        declared = topic_declarations()["rekindle-members-changelog"]
        config = {"cleanup.policy": "compact", "max.message.bytes": str(RECORD_BYTES_MAX), **declared.compaction}
        new = NewTopic(topic, partitions, replicas, config=config)
        admin = kafka.admin()  # its calls end when it is let go
        try:
            admin.create_topics([new])[topic].result(30)
        except KafkaException as error:
            if error.args[0].name() != "TOPIC_ALREADY_EXISTS":
                raise RekindleError(f"topic {topic} cannot be created: {error.args[0].str()}") from error
    elif count != partitions:
        raise RekindleError(f"{topic} has {count} partitions, it must have {partitions}")
