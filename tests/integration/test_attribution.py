"""From receipts and a click through ingest, worker and sink: what a campaign brought stands in ClickHouse."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from sinks.clickhouse.connect import connect
from streams.settings import Settings
from tests.support import ROOT, Command, run_rekindle

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]
REPLAY = {"REKINDLE_CLOCK": "event"}
UNTIL = "2018-03-01T00:00:00Z"
QUESTION = "SELECT event, purchase, amount, touch, dispatch_id FROM attributions ORDER BY occurred_at"


def line(number: int, kind: str, at: str, **body: object) -> dict[str, object]:
    header = {"event_id": f"e{number}", "type": kind, "occurred_at": at, "source": "test", "member_id": "ada"}
    return {**header, **body}


@pytest.mark.timeout(240)
def test_purchases_and_returns_reach_the_table_and_agree_with_the_simulation(
    settings: Settings, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    def succeeds(*command: object) -> str:
        done = run_rekindle(*command, env={**environment, **REPLAY})
        assert done.returncode == 0, done.stderr
        return done.stdout

    def simulated(events: Path, *options: str) -> list[dict[str, object]]:
        text = succeeds("simulate", ROOT / "campaigns", events, "--until", UNTIL, *options)
        return [json.loads(each) for each in text.splitlines()]

    events = tmp_path / "events.jsonl"
    lines = [line(1, "registration_completed", "2018-01-01T15:00:00Z", first_name="Ada", phone="+15135550100")]
    events.write_text("".join(json.dumps(each) + "\n" for each in lines))
    message = simulated(events)[0]
    assert (message["campaign"], message["at"]) == ("come-back", "2018-01-15T15:00:00Z")
    status = {"dispatch_id": message["dispatch_id"], "channel": "sms"}
    lines += [
        line(2, "message_delivered", "2018-01-15T15:00:05Z", **status),
        line(3, "message_clicked", "2018-01-16T08:00:00Z", **status, link="https://example.com/"),
        line(4, "purchase_completed", "2018-01-17T10:00:00Z", receipt_id="r1", total=100.1),
        line(5, "order_placed", "2018-01-18T10:00:00Z", order_id="o1", total=5),
        line(6, "purchase_returned", "2018-01-20T10:00:00Z", receipt_id="r1", total=30.05),
        line(7, "purchase_completed", "2018-01-22T15:00:04.999Z", receipt_id="o1", total=5),
        line(8, "purchase_completed", "2018-01-22T15:00:05Z", receipt_id="r3", total=7),
        line(9, "order_cancelled", "2018-01-23T10:00:00Z", order_id="o1"),
    ]
    events.write_text("".join(json.dumps(each) + "\n" for each in lines))

    succeeds("campaigns", "apply", ROOT / "campaigns")
    succeeds("publish", events)
    processes = [process("worker", env=REPLAY), process("sink", env=REPLAY)]
    succeeds("tick", "--until", UNTIL)
    succeeds("status", "--wait", "120")
    with connect(settings.clickhouse_dsn) as client:
        processes[1].until(lambda: client.command("EXISTS TABLE attributions") == 1, 60, "the table")
        processes[1].until(lambda: len(client.query(QUESTION).result_rows) >= 4, 60, "the rows")
        rows = client.query(QUESTION).result_rows
    found = message["dispatch_id"]
    assert rows == [
        ("purchase_completed", "r1", Decimal("100.1"), "clicked", found),
        ("purchase_returned", "r1", Decimal("-30.05"), "clicked", found),
        ("purchase_completed", "o1", Decimal(5), "clicked", found),
        ("order_cancelled", "o1", Decimal(-5), "clicked", found),
    ]
    log = tmp_path / "log.jsonl"
    succeeds("log", "--export", log)
    same = [each for each in simulated(log, "--in-order", "--attributions") if each["kind"] == "attribution"]
    assert [(each["event"], each["purchase"], Decimal(str(each["amount"]))) for each in same] == [
        row[:3] for row in rows
    ]
    for each in processes:
        assert each.terminate(10) == 0, each.output
