"""Identity with real services: strangers who turn out to be members, both stages killed in the middle of it.

History is stored before any worker runs, so that what comes out must be, to the id, what `simulate` says of it.
"""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support import Command, run_rekindle, until

pytestmark = pytest.mark.services
START = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = "2026-04-01T00:00:00Z"
SIGKILLED = -9
POINTS = (
    "members.produced:2",
    "ingest.offsets_sent:3",
    "members.committed:3",
    "ingest.committed:2",
    "members.stored:2",
)
CAMPAIGNS = {
    "policies.yaml": "default_time_zone: UTC\nquiet_hours: {from: '03:00', to: '03:01', then: defer}\n",
    "templates/all.yaml": "templates: [{id: a, text: 'Hello {{ member.first_name }}'}]",
    "cart.yaml": """
id: cart
version: 1
name: A cart that was left
status: live
trigger: {cart_abandoned: {after: PT1H}}
actions: [{send: {channel: sms, template: a}}]
""",
    "bought.yaml": """
id: bought
version: 1
name: A second purchase
status: live
trigger: {event: purchase_completed, where: {member.purchases.count: {ge: 2}}}
entry: {while_running: restart}
actions: [{wait: PT30M}, {send: {channel: sms, template: a}}, {award: {amount: 5, currency: points}}]
""",
}


def write(folder: Path) -> tuple[Path, Path]:
    """Campaigns, and some hundred events of visitors and cards that become members', and of members that become one."""
    rng = random.Random(5)
    for name, text in CAMPAIGNS.items():
        (folder / "campaigns" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "campaigns" / name).write_text(text, encoding="utf-8")
    lines = []
    for number in range(700):
        person = rng.randrange(40)
        known = number > 60 and rng.random() < 0.3
        line = {
            "event_id": str(number),
            "occurred_at": (START + timedelta(minutes=7 * number)).isoformat(),
            "source": "test",
            **({"member_id": f"m{person}"} if known else {}),
        }
        kind = rng.random()
        if kind < 0.15:
            line |= {"type": "registration_completed", "member_id": f"m{person}", "first_name": "Ann"}
            line |= {"phone": f"+7916000{person:04d}", "visitor_id": f"v{person}"}
        elif kind < 0.6:
            line |= {"type": "purchase_completed", "receipt_id": f"r{number}", "store_id": "s", "pos_id": "p"}
            line |= {"total": rng.randrange(1, 99), "card_number": f"c{person}"}
        elif kind < 0.62:
            line |= {"type": "members_merged", "from_id": f"m{person}", "into_id": f"m{person // 2}"}
            line["member_id"] = f"m{person // 2}"
        else:
            line |= {"type": "cart_item_added", "sku": "1", "name": "tea", "quantity": 1, "price": 3}
            line["visitor_id"] = f"v{person}"
        lines.append(json.dumps(line))
    (folder / "events.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder / "campaigns", folder / "events.jsonl"


@pytest.mark.usefixtures("fresh_topics")
@pytest.mark.timeout(300)
def test_kills_between_the_two_sides_of_a_move_leave_no_trace(
    environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    campaigns, events = write(tmp_path)
    replay = {"REKINDLE_CLOCK": "event", "REKINDLE_BATCH_RECORDS_MAX": "5"}

    def succeeds(*command: str | Path) -> str:
        done = run_rekindle(*command, env={**environment, **replay}, seconds=150)
        assert done.returncode == 0, done.stderr
        return done.stdout

    succeeds("campaigns", "apply", campaigns)
    succeeds("publish", events)
    succeeds("tick", "--until", UNTIL)
    for point in POINTS:
        killed = process("worker", "--only", point.partition(".")[0], env={**replay, "REKINDLE_FAULT": point})
        other = "members" if point.startswith("ingest") else "ingest"
        helper = process("worker", "--only", other, env={**replay, "REKINDLE_BATCH_RECORDS_MAX": "2"})
        until(lambda command=killed: command.returncode is not None, 60, f"the kill at {point}")
        assert killed.returncode == SIGKILLED, killed.output
        helper.terminate(20)
    worker = process("worker", env=replay)
    succeeds("status", "--wait", "120")
    assert worker.terminate(20) == 0, worker.output

    log = tmp_path / "log.jsonl"
    succeeds("log", "--export", log)
    assert '"type":"state_handed_over"' in log.read_text(encoding="utf-8")
    from_log = succeeds("simulate", campaigns, log, "--in-order", "--until", UNTIL, "--decisions").splitlines()
    simulated = succeeds("simulate", campaigns, events, "--until", UNTIL, "--decisions").splitlines()
    assert sorted(from_log) == sorted(simulated)
    assert sum('"campaign":"cart"' in line and '"kind":"dispatch"' in line for line in simulated) > 20
