"""A worker that is stuck in the middle of a commit ends by itself, and the next one does what it left undone."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition

from streams.kafka import Kafka, producer_config
from streams.members.changelog import ensure_changelog
from streams.settings import Settings
from streams.topics import MEMBER_EVENTS, members_changelog, members_group
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
WATCHDOG_SECONDS = 5
NEVER_FETCHED = """
from streams.runtime.consumer import BatchConsumerThread
fetch = BatchConsumerThread._fetch_now
async def fetch_others(self, consumer, partitions, max_records):
    return await fetch(self, consumer, {each for each in partitions if each != ("member.events", 0)}, max_records)
BatchConsumerThread._fetch_now = fetch_others
"""
"""Runs before anything else in a process: of one partition nothing is fetched."""


@pytest.mark.timeout(200)
def test_a_stuck_worker_ends_itself(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    replay = {"REKINDLE_CLOCK": "event", "REKINDLE_WATCHDOG_SECONDS": "6"}
    for command in (
        ("campaigns", "apply", ROOT / "campaigns"),
        ("publish", write_events(tmp_path / "events.jsonl", 500, 50, seed=8)),
    ):
        done = run_rekindle(*command, env={**environment, **replay})
        assert done.returncode == 0, done.stderr
    stuck = process(
        "worker", env={**replay, "REKINDLE_INSTANCE": "only", "REKINDLE_FAULT": "members.offsets_sent:1:hang"}
    )
    assert until(lambda: stuck.returncode, 90, "the end of the stuck worker") == 1
    assert re.search(r"members has lag in member.events/\d and has made no progress for", stuck.output)
    assert sum(map(len, read_topic(settings, "decisions").values())) == 0
    heir = process("worker", env={**replay, "REKINDLE_INSTANCE": "only"})
    heir.until(lambda: records_waiting(settings, "members") == 0 == records_waiting(settings, "ingest"), 90, "the end")
    heir.until(lambda: sum(map(len, read_topic(settings, "decisions").values())) > 100, 30, "decisions")
    assert heir.terminate(10) == 0, heir.output


@pytest.mark.timeout(200)
def test_a_worker_that_hangs_in_its_recovery_ends_itself(
    environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    replay = {"REKINDLE_CLOCK": "event", "REKINDLE_WATCHDOG_SECONDS": "6"}
    done = run_rekindle("campaigns", "apply", ROOT / "campaigns", env={**environment, **replay})
    assert done.returncode == 0, done.stderr
    stuck = process("worker", env={**replay, "REKINDLE_FAULT": "members.recovering:1:hang"})
    assert until(lambda: stuck.returncode, 90, "the end of the stuck worker") == 1
    assert "members has partitions that aren't ready and has made no progress for" in stuck.output


@pytest.mark.timeout(200)
def test_a_worker_of_which_one_partition_is_stuck_ends_itself_and_one_that_is_well_does_not(
    settings: Settings, process: Callable[..., Command], tmp_path: Path
) -> None:
    """By the wall clock there is a tick a second in each partition."""
    (tmp_path / "sitecustomize.py").write_text(NEVER_FETCHED)
    watched = {"REKINDLE_CLOCK": "wall", "REKINDLE_WATCHDOG_SECONDS": str(WATCHDOG_SECONDS)}
    well = process("worker", env={**watched, "REKINDLE_INSTANCE": "well"})
    well.until(lambda: "members has partitions" in well.output, 90, "its partitions")
    since = time.monotonic()
    well.until(lambda: time.monotonic() > since + 3 * WATCHDOG_SECONDS, 60)
    assert well.terminate(10) == 0, well.output
    assert records_waiting(settings, "members") < 4 * WATCHDOG_SECONDS
    stuck = process("worker", env={**watched, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"})
    assert until(lambda: stuck.returncode, 90, "the end of the stuck worker") == 1
    assert "members has lag in member.events/0 and has made no progress for" in stuck.output


@pytest.mark.timeout(200)
@pytest.mark.parametrize("pending", ["offsets", "changelog"])
def test_a_takeover_that_waits_for_what_is_pending_is_given_its_time(
    settings: Settings, process: Callable[..., Command], pending: str
) -> None:
    changelog, group = members_changelog(settings), members_group(settings)
    ensure_changelog(Kafka(settings), changelog, settings.partitions, 1)
    slow = Producer({**producer_config(settings), "transactional.id": "somebody-slow"})
    slow.init_transactions(10)
    slow.begin_transaction()
    if pending == "offsets":
        metadata = Kafka(settings).consumer(group, {}).consumer_group_metadata()
        slow.send_offsets_to_transaction([TopicPartition(MEMBER_EVENTS, 0, 0)], metadata, 10)
    else:
        slow.produce(changelog, b"lost", b"nobody", partition=0)
        assert slow.flush(10) == 0
    heir = process("worker", "--only", "members", env={"REKINDLE_WATCHDOG_SECONDS": str(WATCHDOG_SECONDS)})
    heir.until(lambda: "metrics on" in heir.output, 60, "its start")
    since = time.monotonic()
    heir.until(lambda: time.monotonic() > since + 4 * WATCHDOG_SECONDS, 60)
    assert "members has partitions" not in heir.output
    slow.abort_transaction(10)
    heir.until(lambda: "members has partitions 0" in heir.output, 60, "its partitions")
    assert heir.terminate(10) == 0, heir.output
