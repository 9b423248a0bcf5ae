"""Members killed with -9 at each step of a commit, in recovery, its state lost: what it puts out is as in a calm run.

Both runs read the same `member.events`; commands, decisions, awards and attributions must be the same, record for
record and in order, and so must the state of every member in the changelog.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streams.members.record import RESERVED
from streams.settings import Settings
from tests.stream_support import read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = pytest.mark.services
SIGKILLED = -9
SMALL = {"REKINDLE_BATCH_RECORDS_MAX": "50", "REKINDLE_CLOCK": "event"}
POINTS = ("handled", "produced", "offsets_sent", "committed", "stored", "recovering", "committed", "produced")
OUTPUTS = ("send.sms", "send.email", "bonus.awards", "attributions", "decisions", "profile.checks", "dead.letters")


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(300)
def test_kills_leave_no_trace_in_what_it_puts_out(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    events = write_events(tmp_path / "events.jsonl", 3000, 150, seed=2)
    for command in (("campaigns", "apply", ROOT / "campaigns"), ("publish", events)):
        done = run_rekindle(*command, env={**environment, "REKINDLE_CLOCK": "event"})
        assert done.returncode == 0, done.stderr
    _run_to_the_end(settings, process, "calm", "ingest")
    ticked = run_rekindle("tick", "--until", "2018-06-30T00:00:00Z", env={**environment, "REKINDLE_CLOCK": "event"})
    assert ticked.returncode == 0, ticked.stderr
    _run_to_the_end(settings, process, "calm", "ingest")
    _run_to_the_end(settings, process, "calm", "members")
    calm = {topic: read_topic(settings, topic) for topic in OUTPUTS}

    for passing, point in enumerate(POINTS, start=1):
        if point == "recovering":
            shutil.rmtree(settings.data_dir / "killed" / "members" / "state")
        fault = f"members.{point}:{1 if point == 'recovering' else passing}"
        killed = _start(process, "killed", "members", REKINDLE_FAULT=fault)
        until(lambda command=killed: command.returncode is not None, 60, f"the kill at {point}")
        assert killed.returncode == SIGKILLED, killed.output
    _run_to_the_end(settings, process, "killed", "members")

    assert sum(map(len, calm["send.sms"].values())) > 100
    for topic in OUTPUTS:
        both = read_topic(settings, topic)
        for partition, records in calm[topic].items():
            again = both[partition][len(records) :]
            assert [record.content for record in again] == [record.content for record in records], topic
    assert _states(settings, "killed") == _states(settings, "calm")


def _states(settings: Settings, group: str) -> dict[bytes | None, bytes]:
    records = read_topic(settings, f"{group}-members-changelog")
    latest = {record.key: record.value for partition in records.values() for record in partition}
    states = {key: value for key, value in latest.items() if key and not key.startswith(RESERVED)}
    assert len(states) == 150
    return states


def _start(process: Callable[..., Command], group: str, stage: str, **extra: str) -> Command:
    own = {"REKINDLE_GROUP_PREFIX": group, "REKINDLE_INSTANCE": group}
    return process("worker", "--only", stage, env={**SMALL, **own, **extra})


def _run_to_the_end(settings: Settings, process: Callable[..., Command], group: str, stage: str) -> None:
    worker = _start(process, group, stage)
    own = replace(settings, group_prefix=group)
    worker.until(lambda: records_waiting(own, stage) == 0, 90, "all input handled")
    assert worker.terminate(10) == 0, worker.output
