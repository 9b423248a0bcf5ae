"""A worker that was thought dead wakes up in the middle of a batch and must not write."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.codec import Codec
from schemas.registry import Registry
from streams.settings import Settings
from tests.stream_support import read_topic, write_events
from tests.support import ROOT, Command, run_rekindle, until

pytestmark = pytest.mark.services
UNTIL = "2018-06-30T00:00:00Z"
REPLAY = {"REKINDLE_CLOCK": "event", "REKINDLE_BATCH_RECORDS_MAX": "50"}


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(240)
def test_what_a_zombie_was_about_to_write_is_refused(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    def succeeds(*command: str | Path) -> str:
        done = run_rekindle(*command, env={**environment, **REPLAY}, seconds=150)
        assert done.returncode == 0, done.stderr
        return done.stdout

    succeeds("campaigns", "apply", ROOT / "campaigns")
    succeeds("publish", write_events(tmp_path / "events.jsonl", 6000, 200, seed=5))
    ingest = process("worker", "--only", "ingest", env=REPLAY)
    zombie = process("worker", "--only", "members", env={**REPLAY, "REKINDLE_INSTANCE": "zombie"})
    zombie.until(lambda: sum(map(len, read_topic(settings, "decisions").values())) > 0, 60, "decisions")
    os.kill(zombie.pid, signal.SIGSTOP)
    heir = process("worker", "--only", "members", env={**REPLAY, "REKINDLE_INSTANCE": "heir"})
    heir.until(lambda: "members has partitions 0, 1, 2, 3" in heir.output, 90, "all partitions")
    os.kill(zombie.pid, signal.SIGCONT)
    until(lambda: zombie.output.count("members has partitions") > 1 or zombie.returncode is not None, 60)
    succeeds("status", "--wait", "100")
    succeeds("tick", "--until", UNTIL)
    succeeds("status", "--wait", "100")
    assert heir.terminate(10) == 0, heir.output
    assert ingest.terminate(10) == 0, ingest.output

    log = tmp_path / "log.jsonl"
    succeeds("log", "--export", log)
    simulated = succeeds("simulate", ROOT / "campaigns", log, "--until", UNTIL, "--in-order", "--decisions")
    lines = [json.loads(line) for line in simulated.splitlines()]
    expected = sorted(line["dispatch_id"] for line in lines if line["kind"] == "dispatch")
    codec = Codec(Registry.from_settings(settings))
    topics = ("send.sms", "send.email")
    sent = [record.value for topic in topics for records in read_topic(settings, topic).values() for record in records]
    assert len(expected) > 500
    assert sorted(dispatch.dispatch_id for dispatch in codec.decode_commands(sent)) == expected
    decisions = sum(map(len, read_topic(settings, "decisions").values()))
    assert decisions == sum(line["kind"] == "decision" for line in lines)
