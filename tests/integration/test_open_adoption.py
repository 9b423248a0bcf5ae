"""Thousands of members adopt a programme: a worker dies in between, and everyone is mailed once.

While it is open, `rekindle status` counts its partition as unhandled, although the log is read to its end.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.members.step import DUE_MAX
from streams.settings import Settings
from tests.stream_support import lag_of, read_dispatches, records_waiting, write_visits
from tests.support import Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
REPLAY = {"REKINDLE_CLOCK": "event", "REKINDLE_INSTANCE": "one"}
PARTITIONS = 4
MEMBERS = 9 * DUE_MAX
COMMITS = 11
BEFORE = "id: before\ntrigger: {event: purchase_completed}\nactions: []\n"
MAILING = (
    "id: mailing\ntrigger: {now: true}\n"
    "actions: [{send: {channel: receipt, template: hello, messaging_type: service}}]\n"
)


@pytest.mark.timeout(240)
def test_a_worker_dies_while_a_programme_is_adopted(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    def succeeds(*command: str | Path) -> str:
        done = run_rekindle(*command, env={**environment, **REPLAY})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def told() -> Counter[str]:
        return Counter(dispatch.member_id for dispatch in read_dispatches(settings, "send.receipt"))

    campaigns = tmp_path / "campaigns"
    (campaigns / "templates").mkdir(parents=True)
    (campaigns / "templates/t.yaml").write_text("templates: [{id: hello, text: Hello}]\n")
    (campaigns / "before.yaml").write_text(BEFORE)
    succeeds("campaigns", "apply", campaigns)
    succeeds("publish", write_visits(tmp_path / "events.jsonl", MEMBERS, "2018-01-01T10:00:00Z"))
    (campaigns / "mailing.yaml").write_text(MAILING)
    succeeds("campaigns", "apply", campaigns, "--at", "2018-01-02T00:00:00Z")
    succeeds("tick", "--until", "2018-01-03T00:00:00Z")
    ingest = process("worker", "--only", "ingest", env=REPLAY)
    ingest.until(lambda: records_waiting(settings, "ingest") == 0, 90, "the log")
    assert ingest.terminate(10) == 0, ingest.output

    first = process("worker", "--only", "members", env={**REPLAY, "REKINDLE_FAULT": f"members.committed:{COMMITS}"})
    until(lambda: first.returncode is not None, 60, "the kill")
    assert 0 < len(told()) < MEMBERS
    still_open = [row for row in lag_of(settings, "members") if row.has_open_ticks]
    assert still_open
    assert all(row.records > 0 for row in still_open)

    second = process("worker", "--only", "members", env=REPLAY)
    succeeds("status", "--wait", "60")
    assert not any(row.has_open_ticks for row in lag_of(settings, "members"))
    assert second.terminate(10) == 0, second.output
    assert told() == Counter({f"m{number}": 1 for number in range(MEMBERS)})
