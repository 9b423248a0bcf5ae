"""How far the replay has come, from the offsets that ingest and members have committed."""

from dataclasses import dataclass

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition

from schemas.catalogue import SOURCE_TOPICS
from streams import kafka
from streams.settings import Settings
from streams.topics import MEMBER_EVENTS, ingest_group, members_group

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Handled:
    """Records by offset: what ingest has taken of the sources, and members of the log."""

    ingested: int
    sources: int
    decided: int
    log: int

    @property
    def share(self) -> float:
        """How much of the way is behind, from 0 to 1: every record passes both stages."""
        decided = self.decided / self.log * self.ingested if self.log else 0
        return (self.ingested + decided) / (2 * self.sources) if self.sources else 0.0


class Watch:
    """Asks the broker; joins no group."""

    def __init__(self, settings: Settings) -> None:
        counts = kafka.partition_counts(settings)
        self._sources = [TopicPartition(topic, n) for topic in SOURCE_TOPICS for n in range(counts[topic])]
        self._log = [TopicPartition(MEMBER_EVENTS, n) for n in range(counts[MEMBER_EVENTS])]
        self._ingest = Consumer(kafka.consumer_config(settings, ingest_group(settings)))
        self._members = Consumer(kafka.consumer_config(settings, members_group(settings)))

    def look(self) -> Handled | None:
        """Where the stages stand now; None while the broker doesn't say."""
        try:
            return Handled(
                ingested=_committed(self._ingest, self._sources),
                sources=_ends(self._ingest, self._sources),
                decided=_committed(self._members, self._log),
                log=_ends(self._members, self._log),
            )
        except KafkaException:
            return None

    def close(self) -> None:
        """Let go of the broker."""
        self._ingest.close()
        self._members.close()


def _committed(consumer: Consumer, partitions: list[TopicPartition]) -> int:
    found = consumer.committed(partitions, timeout=_TIMEOUT_S)
    return sum(each.offset for each in found if each.offset not in {OFFSET_INVALID, -1})


def _ends(consumer: Consumer, partitions: list[TopicPartition]) -> int:
    return sum(consumer.get_watermark_offsets(each, timeout=_TIMEOUT_S)[1] for each in partitions)
