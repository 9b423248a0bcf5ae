"""The topics that the stages read and write, by name, and the check that they fit together.

The declarations (schema, retention, owner) are `schemas/topics/*.yaml`; here stands what the running code needs.
"""

from schemas.catalogue import SOURCE_TOPICS
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.settings import Settings

CONTROL = "control"
MEMBER_EVENTS = "member.events"
SENT_ON = "sent-on"
"""Header of a record of `member.events` that stands there under another key, too: its state had gone from that one."""
MEMBER_KEYS = "member.keys"
ERASURES = "member.erasures"
PROGRAMMES = "programmes"
DEAD_LETTERS = "dead.letters"
AWARDS = "bonus.awards"
ATTRIBUTIONS = "attributions"
PROFILE_CHECKS = "profile.checks"
MEMBER_PROFILES = "member.profiles"
DECISIONS = "decisions"
WEBHOOKS = "send.webhook"
STATUSES = "delivery.statuses"
INGEST_INPUTS = (*SOURCE_TOPICS, CONTROL)
"""In the order in which ingest breaks ties of time."""
COPARTITIONED = (*INGEST_INPUTS, MEMBER_EVENTS)


def dispatch_topic(channel: str) -> str:
    """Name the topic whose sender hands over the dispatches of a channel."""
    return f"send.{channel}"


def ingest_group(settings: Settings) -> str:
    """Name the consumer group of the ingest stage."""
    return f"{settings.group_prefix}-ingest"


def members_group(settings: Settings) -> str:
    """Name the consumer group of the members stage."""
    return f"{settings.group_prefix}-members"


def profiles_group(settings: Settings) -> str:
    """Name the consumer group of the profiles stage."""
    return f"{settings.group_prefix}-profiles"


def members_changelog(settings: Settings) -> str:
    """Name the compacted topic that every member's state can be rebuilt from."""
    return f"{settings.group_prefix}-members-changelog"


def identity_changelog(settings: Settings) -> str:
    """Name the compacted topic that the table of links can be rebuilt from."""
    return f"{settings.group_prefix}-identity-changelog"


def clock_topic(settings: Settings) -> str:
    """Name the topic that the broker stamps with its own time."""
    return f"{settings.group_prefix}-clock"


def check_partitions(kafka: Kafka) -> int:
    """Return the partition count that sources, control and member.events share.

    Raises `RekindleError` when one of them is missing or differs: partition p of all of them must be one worker's.
    """
    counts = kafka.partition_counts()
    missing = [topic for topic in (*COPARTITIONED, DEAD_LETTERS) if topic not in counts]
    if missing:
        raise RekindleError(f"topics are missing ({', '.join(missing)}): run `rekindle topics create`")
    different = {topic: counts[topic] for topic in COPARTITIONED}
    if len(set(different.values())) > 1:
        shown = ", ".join(f"{topic} {count}" for topic, count in different.items())
        raise RekindleError(f"these topics must have the same number of partitions: {shown}")
    return different[MEMBER_EVENTS]
