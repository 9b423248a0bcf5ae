"""Kafka loses the end of its topics (a broker's power failure): what comes afterwards is handled all the same."""

from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.events import Event
from streams.kafka import admin_client
from streams.settings import Settings
from tests.replays import Replay
from tests.stream_support import lag_of, read_topic, write_events
from tests.support import Guard, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
LOST = 100_000  # records of each input, more than will come


@pytest.mark.timeout(180)
def test_events_that_come_after_an_end_was_lost_are_handled(
    environment: dict[str, str], settings: Settings, tmp_path: Path, guard: Guard
) -> None:
    replay = Replay(environment, tmp_path, guard)
    lines = write_events(tmp_path / "all.jsonl", 400, 50, seed=31).read_text(encoding="utf-8").splitlines(keepends=True)
    for name, part in (("before", lines[:200]), ("after", lines[200:])):
        (tmp_path / name).write_text("".join(part), encoding="utf-8")
    replay.succeeds("publish", tmp_path / "before")
    with replay.worker("w", "--only", "ingest") as worker:
        worker.until(lambda: len(_events(settings)) == 200, 60, "the events of before")
        assert worker.terminate(10) == 0, worker.output

    # the topics as they are, and offsets of when they were longer
    moved = [
        TopicPartition(row.topic, row.partition, row.committed + LOST)
        for row in lag_of(settings, "ingest")
        if row.committed is not None and row.topic != "control"
    ]
    assert moved
    admin = admin_client(settings)
    asked = [ConsumerGroupTopicPartitions(f"{settings.group_prefix}-ingest", moved)]

    def is_moved() -> bool:  # not while the group still has its member
        (done,) = admin.alter_consumer_group_offsets(asked).values()
        return all(each.error is None for each in done.result(10).topic_partitions)

    until(is_moved, 30, "the offsets")

    with replay.worker("w", "--only", "ingest") as worker:
        worker.until(lambda: worker.output.count("Kafka has lost its end") == len(moved), 60, "the log lines")
        replay.succeeds("publish", tmp_path / "after")
        worker.until(lambda: len(_events(settings)) == len(lines), 60, "the events that came since")
        assert worker.terminate(10) == 0, worker.output
    assert len(set(_events(settings))) == len(lines)


def _events(settings: Settings) -> list[str]:
    codec = Codec(Registry.from_settings(settings))
    found = []
    for records in read_topic(settings, "member.events").values():
        decoded = codec.decode_log([record.value for record in records], [record.key for record in records])
        found += [item.event_id for item in decoded if isinstance(item, Event)]
    return found
