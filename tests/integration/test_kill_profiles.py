"""The profiles stage killed with -9 at each step of its commit: what is carried on is what a calm run carries on.

Both runs read the same changelog. How many records come between depends on how it was cut into batches; the last of
each member doesn't, and none may be older than one before it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine import state_bytes
from streams.kafka import admin_client
from streams.members.record import state_of
from streams.profiles.make import profile_of
from streams.settings import Settings
from streams.topics import members_changelog, profiles_group
from tests.stream_support import Record, read_topic, records_waiting, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = pytest.mark.services
SIGKILLED = -9
SMALL = {"REKINDLE_BATCH_RECORDS_MAX": "50", "REKINDLE_CLOCK": "event", "REKINDLE_INSTANCE": "w"}
FEW = {**SMALL, "REKINDLE_BATCH_RECORDS_MAX": "10"}  # members that wait, so that it commits often
POINTS = ("handled", "produced", "offsets_sent", "committed")
ERASED = "m00007"


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(240)
def test_kills_leave_no_trace_in_the_profiles(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    events = write_events(tmp_path / "events.jsonl", 2000, 100, seed=5)
    header = {"event_id": "x", "source": "crm", "occurred_at": "2018-02-01T10:00:00Z"}
    lines = [
        {**header, "type": "member_erased", "member_id": ERASED},
        {**header, "type": "site_visited", "visitor_id": "v1", "url": "https://example.com/"},
    ]
    events.write_text(events.read_text() + "".join(json.dumps(line) + "\n" for line in lines))
    for command in (("campaigns", "apply", ROOT / "campaigns"), ("publish", events)):
        done = run_rekindle(*command, env={**environment, "REKINDLE_CLOCK": "event"})
        assert done.returncode == 0, done.stderr
    _run_to_the_end(settings, process, "ingest")
    _run_to_the_end(settings, process, "members")

    for passing, point in enumerate(POINTS, start=2):
        killed = process("worker", "--only", "profiles", env={**FEW, "REKINDLE_FAULT": f"profiles.{point}:{passing}"})
        until(lambda command=killed: command.returncode is not None, 60, f"the kill at {point}")
        assert killed.returncode == SIGKILLED, killed.output
    _run_to_the_end(settings, process, "profiles")
    after_kills = read_topic(settings, "member.profiles")

    until(lambda: _forgets(settings), 30, "the group to be empty")
    _run_to_the_end(settings, process, "profiles")
    both = read_topic(settings, "member.profiles")

    codec = Codec(Registry.from_settings(settings))
    assert sum(map(len, after_kills.values())) >= 100
    for partition, records in after_kills.items():
        calm = both[partition][len(records) :]
        assert _latest(records) == _latest(calm) == _expected(settings, codec, partition)
        _never_goes_back(codec, records)
    last = {key: value for records in both.values() for key, value in _latest(records).items()}
    assert last.keys() == {b"m%05d" % number for number in range(100)}
    assert [key for key, value in last.items() if value is None] == [ERASED.encode()]


def _forgets(settings: Settings) -> bool:
    """Have Kafka forget how far the stage is, which it does once the group counts the last process out."""
    admin = admin_client(settings)  # its calls end when it is let go
    (forgotten,) = admin.delete_consumer_groups([profiles_group(settings)]).values()
    try:
        forgotten.result(30)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.NON_EMPTY_GROUP:
            raise
        return False
    return True


def _latest(records: list[Record]) -> dict[bytes | None, bytes]:
    return {record.key: record.value for record in records}


def _expected(settings: Settings, codec: Codec, partition: int) -> dict[bytes | None, bytes | None]:
    """What the last state of each member amounts to."""
    states = _latest(read_topic(settings, members_changelog(settings))[partition])
    profiles = {
        key: profile_of(state_bytes.decode(state_of(value)))
        for key, value in states.items()
        if key is not None and key.startswith(b"m")
    }
    return {key: None if profile is None else codec.encode(profile) for key, profile in profiles.items()}


def _never_goes_back(codec: Codec, records: list[Record]) -> None:
    clocks: dict[str, int] = {}
    for profile in codec.decode_profiles([record.value for record in records if record.value is not None]):
        assert profile.at >= clocks.get(profile.member_id, profile.at)
        clocks[profile.member_id] = profile.at


def _run_to_the_end(settings: Settings, process: Callable[..., Command], stage: str) -> None:
    worker = process("worker", "--only", stage, env=SMALL)
    worker.until(lambda: records_waiting(settings, stage) == 0, 90, "all input handled")
    assert worker.terminate(10) == 0, worker.output
