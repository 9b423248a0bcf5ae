"""Thousands are due by one tick: a worker dies while it is worked off, and everyone is told once.

While it is open, `rekindle status` counts its partition as unhandled, although the log is read to its end, and tells
since when the oldest timer is due.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.clock import wall_clock
from streams.members.step import DUE_MAX
from streams.settings import Settings
from tests.stream_support import lag_of, read_dispatches, records_waiting, write_visits
from tests.support import Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
REPLAY = {"REKINDLE_CLOCK": "event", "REKINDLE_INSTANCE": "one"}
DUE = 1_514_887_200_000  # 2018-01-02T10:00:00Z, a day after the visits
UNTIL = "2018-01-05T00:00:00Z"
PARTITIONS = 4
MEMBERS = 9 * DUE_MAX
COMMITS = 2 * PARTITIONS + 1  # per partition: what came before the programme, then the log; the next is a portion
CAMPAIGN = {
    "hello.yaml": "id: hello\ntrigger: {event: site_visited}\n"
    "actions: [{wait: P1D}, {send: {channel: receipt, template: hello, messaging_type: service}}]\n",
    "templates/t.yaml": "templates: [{id: hello, text: Hello}]\n",
}


@pytest.mark.timeout(240)
def test_a_worker_dies_while_a_tick_is_worked_off(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    def succeeds(*command: str | Path) -> str:
        done = run_rekindle(*command, env={**environment, **REPLAY})
        assert done.returncode == 0, done.stderr
        return done.stdout

    campaigns = tmp_path / "campaigns"
    for name, text in CAMPAIGN.items():
        (campaigns / name).parent.mkdir(parents=True, exist_ok=True)
        (campaigns / name).write_text(text)
    succeeds("campaigns", "apply", campaigns)
    succeeds("publish", write_visits(tmp_path / "events.jsonl", MEMBERS, "2018-01-01T10:00:00Z"))
    succeeds("tick", "--until", UNTIL)
    ingest = process("worker", "--only", "ingest", env=REPLAY)
    ingest.until(lambda: records_waiting(settings, "ingest") == 0, 90, "the log")
    assert ingest.terminate(10) == 0, ingest.output

    first = process("worker", "--only", "members", env={**REPLAY, "REKINDLE_FAULT": f"members.committed:{COMMITS}"})
    until(lambda: first.returncode is not None, 60, "the kill")
    still_open = [row for row in lag_of(settings, "members") if row.has_open_ticks]
    assert still_open
    assert all(row.records > 0 for row in still_open)
    assert all(row.oldest_due == DUE for row in still_open), "who is told already is due no more"
    told = len(read_dispatches(settings, "send.receipt"))
    assert 0 < told < MEMBERS

    second = process("worker", "--only", "members", env=REPLAY)
    succeeds("status", "--wait", "60")
    rows = lag_of(settings, "members")
    assert not any(row.has_open_ticks or row.oldest_due for row in rows)
    assert all(row.committed_at is not None and 0 <= wall_clock() - row.committed_at < 240_000 for row in rows)
    assert second.terminate(10) == 0, second.output
    log = tmp_path / "log.jsonl"
    succeeds("log", "--export", log)
    simulated = map(json.loads, succeeds("simulate", campaigns, log, "--until", UNTIL, "--in-order").splitlines())
    expected = sorted(line["dispatch_id"] for line in simulated if line["kind"] == "dispatch")
    assert len(expected) == MEMBERS
    assert sorted(dispatch.dispatch_id for dispatch in read_dispatches(settings, "send.receipt")) == expected
