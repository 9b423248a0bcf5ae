"""The lines of `simulate` and the ids in them (contract §4.9, §4.11, §5), also through the program itself."""

import json

import pytest

from streams.engine.decision import OUTCOMES, REASONS
from tests.simulation.support import bought, bundle, directory, event, registered, run
from tests.support import run_rekindle

END = "2018-03-01T00:00:00Z"
WELCOME = {
    "welcome": """
    version: 3
    trigger: {event: registration_completed}
    actions:
      - {send: {channel: email, template: mail}}
      - if: {member.first_name: Ann}
        then: [{wait: PT0.5S}, {send: {channel: sms, template: a}}]
    """
}
ANN = registered("m", "2018-01-01T10:00:00.250+03:00", first_name="Ann")


def test_a_dispatch_line():
    line, second = run(directory(**WELCOME), [ANN], END)
    assert list(line) == [
        "kind",
        "at",
        "dispatch_id",
        "member_id",
        "campaign",
        "version",
        "action",
        "channel",
        "to",
        "content",
    ]
    del line["dispatch_id"]
    assert line == {
        "kind": "dispatch",
        "at": "2018-01-01T07:00:00.250Z",
        "member_id": "m",
        "campaign": "welcome",
        "version": 3,
        "action": "actions[0]",
        "channel": "email",
        "to": "m@example.com",
        "content": {"subject": "Subject", "text": "Text"},
    }
    assert second["action"] == "actions[1].then[1]"
    assert second["at"] == "2018-01-01T07:00:00.750Z"


def test_a_decision_line():
    (line,) = run(directory(**WELCOME), [ANN], END, kinds=("decision",))
    assert line == {
        "kind": "decision",
        "at": "2018-01-01T07:00:00.750Z",
        "member_id": "m",
        "campaign": "welcome",
        "action": None,
        "outcome": "ended",
        "reason": "completed",
    }
    assert list(line) == ["kind", "at", "member_id", "campaign", "action", "outcome", "reason"]


def test_a_suppressed_messages_decision_names_its_action():
    lines = run(directory(**WELCOME), [registered("m", "2018-01-01T10:00:00Z", email=None)], END, kinds=("decision",))
    assert [(line["action"], line["reason"]) for line in lines] == [("actions[0]", "no_address"), (None, "completed")]


def test_outcomes_and_reasons_are_closed_lists():
    assert set(OUTCOMES) == {"refused", "suppressed", "deferred", "cancelled", "superseded", "ended"}
    assert " ".join(REASONS) == (
        "not_in_audience already_running entered_before inactive holdout unsubscribed no_address expired "
        "frequency_cap quiet_hours template_error not_moderated award_limit cancelled superseded campaign_stopped "
        "limit_exceeded member_erased completed exited goal"
    )


@pytest.mark.parametrize("total", ["351.0", "12.50", "1e3", "0.000001", "100000000000"])
def test_numbers_print_plainly(total):
    programme = directory(
        {"templates/total.yaml": 'templates: [{id: total, text: "{{ event.total }}"}]'},
        c="trigger: {event: purchase_completed}\nactions: [{send: {channel: cashier, template: total}}]",
    )
    line = json.dumps(bought("m", "2018-01-01T10:00:00Z", total=0)).replace('"total": 0', f'"total": {total}')
    (dispatch,) = run(programme, [line], END)
    expected = {"351.0": "351", "12.50": "12.5", "1e3": "1000"}
    assert dispatch["content"]["text"] == expected.get(total, total)


# Ids -----------------------------------------------------------------------------------------------------------------


def ids(events, *, policies: str = "default_region: RU", in_order: bool = False) -> list[str]:
    programme = directory(
        {"policies.yaml": policies},
        c="""
        trigger: {event: site_visited}
        entry: {while_running: parallel}
        actions: [{send: {channel: sms, template: a}}, {award: {amount: 1, currency: points}}]
        """,
    )
    lines = run(programme, events, END, in_order=in_order)
    return sorted(line.get("dispatch_id") or line["award_id"] for line in lines)


VISITS = [
    registered("m", "2018-01-01T00:00:00Z"),
    event("m", "site_visited", "2018-01-02T20:00:00Z", event_id="1"),
    event("m", "site_visited", "2018-01-02T21:00:00Z", event_id="2"),
]


def test_a_rerun_yields_the_same_ids_and_each_is_another():
    assert ids(VISITS) == ids(VISITS)
    assert len(set(ids(VISITS))) == 4


def test_deferral_does_not_change_an_id():
    assert ids(VISITS) == ids(VISITS, policies='quiet_hours: {from: "21:00", to: "09:00"}')


def test_neither_does_the_order_of_events():
    assert ids(VISITS) == ids([VISITS[0], VISITS[2], VISITS[1]], in_order=True)


def test_what_an_id_is_made_of():
    first = VISITS[1]
    changed = [
        {**first, "member_id": "n"},
        {**first, "event_id": "3"},
        {**first, "source": "other"},
        {**first, "occurred_at": "2018-01-02T20:00:01Z"},
    ]
    known = [VISITS[0], registered("n", "2018-01-01T00:00:00Z")]
    found = [ids([*known, each]) for each in (first, *changed)]
    assert len({one for each in found for one in each}) == 10


# The program ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def campaigns(tmp_path):
    for name, text in bundle(**WELCOME).items():
        path = tmp_path / "campaigns" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "campaigns"


def simulate(campaigns, events, *options: str):
    file = campaigns.parent / "events.jsonl"
    file.write_text("\n".join(event if isinstance(event, str) else json.dumps(event) for event in events))
    return run_rekindle("simulate", str(campaigns), str(file), *options)


def test_simulate_prints_dispatches_and_awards_and_decisions_if_asked(campaigns):
    done = simulate(campaigns, [ANN, "", ANN], "--until", END)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == ["dispatch", "dispatch"]
    with_decisions = simulate(campaigns, [ANN], "--until", END, "--decisions")
    kinds = [json.loads(line)["kind"] for line in with_decisions.stdout.splitlines()]
    assert kinds == ["dispatch", "dispatch", "decision"]
    assert with_decisions.stdout.startswith('{"kind":"dispatch","at":"2018-01-01T07:00:00.250Z","dispatch_id":"')


def test_simulate_prints_attributions_only_if_asked(campaigns):
    for file in campaigns.glob("*.yaml"):
        file.write_text(f"{file.read_text()}\ngoal: {{event: purchase_completed}}\n")
    events = [ANN, bought("m", "2018-01-02T12:00:00Z", total=12.50)]
    for options, kinds in (
        ((), ["dispatch", "dispatch"]),
        (("--decisions",), ["dispatch", "dispatch", "decision"]),
        (("--attributions",), ["dispatch", "dispatch", "attribution"]),
    ):
        done = simulate(campaigns, events, "--until", END, *options)
        assert [json.loads(line)["kind"] for line in done.stdout.splitlines()] == kinds
    assert '"purchase":null,"amount":12.5,"touch":"sent","touched_at":"2018-01-01T07:00:00.750Z"}' in done.stdout


def test_simulate_refuses_a_bad_line_and_names_it(campaigns):
    done = simulate(campaigns, [ANN, {**ANN, "event_id": "2", "first_nam": "x"}], "--until", END)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "events.jsonl:2: field `first_nam`" in done.stderr
    assert "Traceback" not in done.stderr


def test_simulate_refuses_a_bad_time(campaigns):
    done = simulate(campaigns, [ANN], "--until", "tomorrow")
    assert done.returncode == 2
    assert "ISO 8601" in done.stderr
