"""Offsets of ingest that are gone: nothing is appended a second time, and once they are set it goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from streams.kafka import client_config
from streams.runtime.lag import LagReader
from streams.settings import Settings
from streams.topics import MEMBER_EVENTS, ingest_group
from tests.stream_support import read_topic, records_waiting, without_ticks, write_visits
from tests.support import Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
CLOCK = {"REKINDLE_CLOCK": "event"}
MEMBERS = 40


@pytest.mark.timeout(240)
def test_ingest_whose_offsets_are_gone_appends_nothing_until_they_are_set(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    def publish(at: str) -> None:
        done = run_rekindle("publish", write_visits(tmp_path / "visits.jsonl", MEMBERS, at), env=environment)
        assert done.returncode == 0, done.stderr

    publish("2020-01-01T00:00:00Z")
    first = process("worker", "--only", "ingest", env=CLOCK)
    first.until(lambda: events(settings) == MEMBERS, 60, "the log")
    first.until(lambda: records_waiting(settings, "ingest") == 0, 60, "its end")
    assert first.terminate(10) == 0, first.output
    offsets = forget_offsets(settings)

    publish("2020-01-02T00:00:00Z")
    refusing = process("worker", "--only", "ingest", env=CLOCK)
    assert until(lambda: refusing.returncode, 60, "its end") == 1
    assert "was written up to 2020-01-01T00:00:00Z, and the group rekindle-ingest has no committed" in refusing.output
    assert events(settings) == MEMBERS

    set_offsets(settings, offsets)
    heir = process("worker", "--only", "ingest", env=CLOCK)
    heir.until(lambda: records_waiting(settings, "ingest") == 0, 60, "its end")
    assert heir.terminate(10) == 0, heir.output
    assert events(settings) == 2 * MEMBERS


def events(settings: Settings) -> int:
    """Count the events in the log."""
    return sum(len(without_ticks(settings, records)) for records in read_topic(settings, MEMBER_EVENTS).values())


def forget_offsets(settings: Settings) -> list[TopicPartition]:
    """Delete the group with its offsets, as the broker does in time; returns them."""
    reader = LagReader(settings)
    found = [
        TopicPartition(row.topic, row.partition, row.committed)
        for row in reader.read()
        if row.stage == "ingest" and row.committed is not None
    ]
    reader.close()
    assert found
    admin = AdminClient(client_config(settings))

    def is_deleted() -> bool:
        try:
            admin.delete_consumer_groups([ingest_group(settings)])[ingest_group(settings)].result(10)
        except KafkaException:  # its last member may not be gone yet
            return False
        return True

    until(is_deleted, 60, "the end of the group")
    return found


def set_offsets(settings: Settings, offsets: list[TopicPartition]) -> None:
    """Set them as a person would."""
    admin = AdminClient(client_config(settings))
    wanted = ConsumerGroupTopicPartitions(ingest_group(settings), offsets)

    def are_set() -> bool:
        try:
            admin.alter_consumer_group_offsets([wanted])[ingest_group(settings)].result(10)
        except KafkaException:  # the refusing one may not be gone yet
            return False
        return True

    until(are_set, 60, "the offsets")
