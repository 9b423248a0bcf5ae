"""The fixtures keep what they promise: a log that is empty, and a program that is killed or asked to end."""

import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.declarations import topic_declarations
from streams.kafka import admin_client, consumer_config, partition_counts, producer_config
from streams.settings import Settings
from tests.support import Command, Guard, renew_topics, run_rekindle

TOPIC = "pos.receipts"
GROUP = "rekindle-earlier-test"


def high_watermarks(settings: Settings) -> list[int]:
    consumer = Consumer(consumer_config(settings, GROUP))
    partitions = [TopicPartition(TOPIC, number) for number in range(partition_counts(settings)[TOPIC])]
    found = [consumer.get_watermark_offsets(partition, timeout=10)[1] for partition in partitions]
    consumer.close()
    return found


@pytest.mark.services
def test_renewed_topics_are_the_declared_ones_and_empty(settings: Settings) -> None:
    renew_topics(settings)
    producer = Producer(producer_config(settings))
    producer.produce(TOPIC, key=b"m1", value=b"of an earlier test")
    assert producer.flush(10) == 0
    consumer = Consumer(consumer_config(settings, GROUP))
    consumer.subscribe([TOPIC])
    assert consumer.consume(1, timeout=20)
    consumer.commit(asynchronous=False)
    consumer.close()
    assert sum(high_watermarks(settings)) == 1

    renew_topics(settings)
    counts = partition_counts(settings)
    assert {name for name in counts if not name.startswith("__")} == set(topic_declarations())
    assert counts[TOPIC] == counts["member.events"] == settings.partitions
    assert sum(high_watermarks(settings)) == 0
    admin = admin_client(settings)  # its calls end when it is let go
    groups = admin.list_consumer_groups(request_timeout=10).result().valid
    assert GROUP not in {group.group_id for group in groups}


def test_a_command_that_ends_fails_the_wait_with_its_output(tmp_path: Path) -> None:
    with (
        Command("no-such-command", env={}, log=tmp_path / "log") as command,
        pytest.raises(AssertionError, match=r"(?s)ended with 2.*No such command"),
    ):
        command.until(lambda: False, 30)


def test_a_program_has_no_setting_but_the_given_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKINDLE_PARTITIONS", "many")
    done = run_rekindle("settings", env={"REKINDLE_CLOCK": "event"})
    assert done.returncode == 0
    assert "event" in done.stdout
    assert "many" not in done.stdout


def test_the_guard_ends_what_it_was_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(60)")
    monkeypatch.setattr("tests.support.PROGRAM", program)
    guard = Guard()
    with Command(env={}, log=tmp_path / "log", guard=guard) as command:
        command.until(lambda: "ready" in command.output, 10)
        guard.close()
        assert command.returncode == -15
