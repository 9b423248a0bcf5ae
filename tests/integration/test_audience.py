"""`rekindle audience` on a real ClickHouse: wherever the campaign stands, as a statement, and what is refused."""

import json
from pathlib import Path

import pytest

from sinks.clickhouse.connect import connect
from sinks.clickhouse.run import migrate_database
from streams.engine import step
from streams.engine.events import Event
from streams.engine.state import MemberState, new
from streams.programme import load, read_directory
from streams.settings import Settings
from tests.properties.drawn_members import store
from tests.simulation.support import event, records
from tests.support import run_rekindle

AT = "2026-03-20T00:00:00Z"
START = "2026-02-25T06:00:00Z"
LISTED = 30_000  # in a statement of more bytes than ClickHouse takes by default
FILES = {
    "policies.yaml": "default_time_zone: Europe/Riga\nmessaging_types: {asked: {consent: opt_in}}\n",
    "templates/t.yaml": "templates: [{id: t, text: Hello}]\n",
    "segments/many.yaml": "id: many\nmembers_file: many.csv\n",
    "segments/many.csv": "".join(f"m{number:07}\n" for number in range(LISTED)),
    "retention/back.yaml": (
        "id: back\ntrigger: {event: purchase_completed}\n"
        'audience: {segment: many, member.city: {in: [Riga, "O\'Hara"]}, total: {ge: 10}}\n'
        "actions:\n  - send: {channel: sms, template: t}\n"
        "  - send: {channel: in_app, template: t, messaging_type: asked}\n"
    ),
}
pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]


@pytest.fixture
def campaigns(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        file = tmp_path / "campaigns" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "campaigns"


def members(campaigns: Path) -> list[MemberState]:
    """Four who have registered; one of them asked for more."""
    programme = load([read_directory(campaigns)])
    lines = [
        event("m0000001", "registration_completed", START, city="Riga", phone="+37120000001"),
        event("m0029999", "registration_completed", START, city="O'Hara", phone="letters"),
        event("m0029999", "subscription_changed", START, messaging_type="asked", subscribed=True),
        event("m0000003", "registration_completed", START, city="Oslo", phone="+37120000003"),
        event("n", "registration_completed", START, city="Riga", phone="+37120000004"),
    ]
    states: dict[str, MemberState] = {}
    for record, _ in records(lines):
        assert isinstance(record, Event)
        step.handle(programme, states.setdefault(record.key, new(record.key)), record)
    return list(states.values())


def test_an_audience_is_counted_wherever_its_campaign_stands(
    settings: Settings, environment: dict[str, str], campaigns: Path
) -> None:
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        store(client, members(campaigns))
    done = run_rekindle("campaigns", "apply", campaigns, env=environment)
    assert done.returncode == 0, done.stderr
    file = campaigns / "retention" / "back.yaml"
    answers = [
        run_rekindle("audience", *words, "--at", AT, "--sample", "9", env=environment)
        for words in (["back"], [campaigns, "back"], ["back", "--dir", campaigns], [file])
    ]
    for answer in answers:
        assert answer.returncode == 0, answer.stderr
        assert "total: fields of the entry event" in answer.stderr
        assert answer.stdout == answers[0].stdout
    line = json.loads(answers[0].stdout)
    counts = {name: line[name] for name in ("members", "in_audience", "not_held_out_globally", "admitted", "reachable")}
    assert counts == {"members": 4, "in_audience": 2, "not_held_out_globally": 2, "admitted": 2, "reachable": 2}
    assert [(each["channel"], each["agreeing"], each["reachable"]) for each in line["channels"]] == [
        ("sms", 2, 1),
        ("in_app", 1, 1),
    ]
    assert line["left_open"] == ["total"]
    assert sorted(line["sample"]) == ["m0000001", "m0029999"]
    assert (line["at"], line["newest"]) == (AT, START)


def test_the_statement_that_is_printed_is_the_one_that_counts(
    settings: Settings, environment: dict[str, str], campaigns: Path
) -> None:
    migrate_database(settings)
    with connect(settings.clickhouse_dsn) as client:
        store(client, members(campaigns))
        printed = run_rekindle("audience", campaigns, "back", "--sql", "--at", AT, env=environment)
        assert printed.returncode == 0, printed.stderr
        [row] = client.query(printed.stdout.rstrip(";\n"), settings={"max_query_size": 10_000_000}).named_results()
    assert (row["count_members"], row["count_admitted"]) == (4, 2)


def test_what_is_wrong_is_said_in_one_line(environment: dict[str, str], campaigns: Path) -> None:
    def said(*words: str | Path) -> tuple[int, str]:
        done = run_rekindle("audience", *words, "--at", AT, env=environment)
        assert done.stdout == ""
        return done.returncode, done.stderr.splitlines()[-1]

    assert said("back") == (
        1,
        "rekindle: no programme is in force: `rekindle campaigns apply DIRECTORY`, or name the DIRECTORY",
    )
    assert said(campaigns, "bak") == (1, "rekindle: no campaign `bak` (did you mean `back`?)")
    assert said(campaigns, "back") == (1, "rekindle: ClickHouse has no table profiles yet: `rekindle sink` makes it")
    assert said(campaigns / "segments" / "nothing.yaml")[0] == 1
    assert said(campaigns, "back", "more")[0] == 2
    refused = campaigns / "retention" / "back.yaml"
    refused.write_text(refused.read_text().replace("total: {ge: 10}", "member.registered_at: {ref: member.city}"))
    status, line = said(refused)
    assert (status, line.partition(": `")[0]) == (1, "rekindle: campaign back: its audience can't be counted")
