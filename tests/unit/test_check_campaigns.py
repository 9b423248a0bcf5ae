"""The runner of campaigns' own tests."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streams.check_campaigns import CampaignTests, check_directory
from streams.cli.test import _tell_case, command
from streams.errors import InputError

CAMPAIGN = """
id: hello
version: 1
trigger: {event: registration_completed}
actions:
  - send: {channel: sms, template: hello}
"""
TEMPLATES = "templates: [{id: hello, text: 'Hello {{ member.first_name }}'}]"
GIVEN = (
    "{type: registration_completed, occurred_at: 2026-03-02T12:00:00Z, member_id: m1, "
    "first_name: Ada, phone: '+79161234567'}"
)
EMPTY = "- {name: a, given: [], until: 2026-03-03T00:00:00Z, "
OPENED = "{type: message_opened, dispatch_of: 'actions[0]',"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "all.yaml").write_text(TEMPLATES)
    (tmp_path / "hello.yaml").write_text(CAMPAIGN)
    return tmp_path


def _write(directory: Path, cases: str) -> Path:
    (directory / "hello_test.yaml").write_text(cases)
    return directory


def test_expectation_that_holds_passes(directory: Path) -> None:
    wanted = "{at: 2026-03-02T12:00:00Z, channel: sms, content: {text: Hello Ada}}"
    _write(
        directory, f"- {{name: a, given: [{GIVEN}], until: 2026-03-03T00:00:00Z, dispatches: [{wanted}], awards: []}}"
    )
    (outcome,) = check_directory(directory)
    assert (outcome.case, list(outcome.complaints)) == ("a", [])


@pytest.mark.parametrize(
    ("dispatches", "complaint"),
    [
        ("[{content: {text: Hello Bob}}]", 'dispatches[0].content.text: expected "Hello Bob", got "Hello Ada"'),
        ("[]", "dispatches: expected 0, got 1"),
        ("[{channel: sms}, {channel: email}]", "dispatches: expected 2, got 1"),
        ("[{network: vk}]", 'dispatches[0].network: expected "vk", got null'),
    ],
)
def test_expectation_that_fails_is_told(directory: Path, dispatches: str, complaint: str) -> None:
    _write(directory, f"- {{name: a, given: [{GIVEN}], until: 2026-03-03T00:00:00Z, dispatches: {dispatches}}}")
    (outcome,) = check_directory(directory)
    assert outcome.complaints[0] == complaint


def test_why_is_told_of_a_case_that_fails(directory: Path) -> None:
    nobody = GIVEN.replace(", phone: '+79161234567'", "")
    _write(directory, CASE.format(given=nobody, rest="dispatches: [{channel: sms}]"))
    (outcome,) = check_directory(directory)
    assert [(each.action, each.reason) for each in outcome.decided] == [("actions[0]", "no_address")]
    _write(directory, CASE.format(given=nobody, rest="dispatches: []"))
    (outcome,) = check_directory(directory)
    assert (list(outcome.complaints), list(outcome.decided)) == ([], [])


def test_a_campaign_that_does_nothing_is_told(directory: Path) -> None:
    _write(
        directory, CASE.format(given=GIVEN.replace("registration_completed", "profile_updated"), rest="awards: [{}]")
    )
    (outcome,) = check_directory(directory)
    assert outcome.complaints[-1].startswith("the campaign did nothing by then")


def test_until_ends_the_case(directory: Path) -> None:
    _write(directory, f"- {{name: a, given: [{GIVEN}], until: 2026-03-02T11:59:59Z, dispatches: []}}")
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        ("hello", "expected a list of cases"),
        ("- {name: a, until: 2026-03-03T00:00:00Z, dispatches: []}", "field `given`: expected, and missing"),
        ("- {name: a, given: [], until: 2026-03-03T00:00:00Z}", "it would check nothing"),
        ("- {name: a, given: [], until: 2026-03-03T00:00:00Z, dispatchs: []}", "field `dispatchs`: expected one of"),
        (
            "- {name: a, given: [], until: 2026-03-03T00:00:00Z, status: lively, dispatches: []}",
            "field `status`: expected one of live, draft",
        ),
        ("- {name: a, given: [], until: 2026-03-03T00:00:00Z, dispatches: {}}", "field `dispatches`: expected a list"),
        ("- {name: a, given: [], until: 2026-03-03T00:00:00Z, start: soon, dispatches: []}", "field `start`: expected"),
        (
            f"- {{given: [{OPENED} occurred_at: soon}}], until: 2026-03-04T00:00:00Z, awards: []}}",
            "field `occurred_at`: expected",
        ),
        (
            f"- {{given: [{OPENED} occurred_at: 2026-03-03T00:00:00Z}}], until: 2026-03-04T00:00:00Z, awards: []}}",
            "field `dispatch_of`: nothing was sent from `actions.0.`",
        ),
        ("- {name: a, given: [], until: tomorrow, dispatches: []}", "field `until`: expected a time"),
        ("- {name: a, given: {}, until: 2026-03-03T00:00:00Z, dispatches: []}", "field `given`: expected a list"),
        (
            "- {name: a, given: [{type: x}], until: 2026-03-03T00:00:00Z, dispatches: []}",
            "(occurred_at|unknown event type)",
        ),
        ("- [", ":2:1: isn't valid YAML"),
        (EMPTY + "dispatches: [{chanel: sms}]}", r"field `dispatches\[0\]\.chanel`: .*did you mean `channel`"),
        (EMPTY + "dispatches: [{content: {txt: a}}]}", r"field `dispatches\[0\]\.content\.txt`: .*did you mean `text`"),
        (EMPTY + "decisions: [{reason: no_adress}]}", r"field `decisions\[0\]\.reason`: .*did you mean `no_address`"),
        (EMPTY + "decisions: [{outcome: skipped}]}", r"field `decisions\[0\]\.outcome`: expected one of refused"),
    ],
)
def test_wrong_test_file_is_named(directory: Path, cases: str, message: str) -> None:
    _write(directory, cases)
    with pytest.raises(InputError, match=rf"hello_test\.yaml(:1.*)?{message}"):
        list(check_directory(directory))


def test_mistake_is_told_with_its_line(directory: Path) -> None:
    _write(directory, f"- name: a\n  given:\n    - {GIVEN}\n    - {GIVEN.replace('phone', 'fone')}\n  until: x\n")
    with pytest.raises(InputError, match=r"hello_test\.yaml:1: expected one of dispatches"):
        list(check_directory(directory))
    text = (directory / "hello_test.yaml").read_text()
    _write(directory, f"{text}  awards: []\n")
    with pytest.raises(InputError, match=r"hello_test\.yaml:5: field `until`: expected a time"):
        list(check_directory(directory))
    _write(directory, text.replace("until: x", "until: 2026-03-03T00:00:00Z") + "  awards: []\n")
    with pytest.raises(InputError, match=r"hello_test\.yaml:4:1: field `fone`"):
        list(check_directory(directory))


def test_file_is_read_like_a_campaign(directory: Path) -> None:
    """`no` is text, numbers are exact, and a time may be stated with any offset."""
    award = "  - award: {amount: 0.3, description: no}\n"
    (directory / "hello.yaml").write_text(CAMPAIGN + award)
    wanted = "awards: [{at: 2026-03-02T15:00:00+03:00, amount: 0.30, description: no}]"
    _write(directory, CASE.format(given=GIVEN, rest=wanted))
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []
    _write(directory, CASE.format(given=GIVEN, rest="awards: [{amount: 0.31}]"))
    (outcome,) = check_directory(directory)
    assert outcome.complaints == ["awards[0].amount: expected 0.31, got 0.3"]


def test_directory_without_tests_is_an_error(directory: Path) -> None:
    with pytest.raises(InputError, match=r"no \*_test\.yaml"):
        list(check_directory(directory))


def test_test_without_its_campaign_is_an_error(directory: Path) -> None:
    _write(directory, "[]")
    (directory / "hello_test.yaml").rename(directory / "other_test.yaml")
    with pytest.raises(InputError, match=r"expected the campaign other\.yaml beside it"):
        list(check_directory(directory))


def test_what_is_no_campaign_has_no_test(directory: Path) -> None:
    (directory / "segments").mkdir()
    (directory / "segments" / "few.yaml").write_text("{id: few, members: [m1]}")
    (directory / "segments" / "few_test.yaml").write_text("[]")
    with pytest.raises(InputError, match=r"few_test\.yaml: expected a campaign beside it, `few` is none"):
        list(check_directory(directory))


CASE = "- {{name: a, given: [{given}], until: 2026-03-03T00:00:00Z, {rest}}}"


@pytest.mark.parametrize("status", ["draft", "paused", "stopped"])
def test_campaign_runs_in_its_own_tests_as_if_live(directory: Path, status: str) -> None:
    (directory / "hello.yaml").write_text(CAMPAIGN + f"status: {status}\n")
    _write(directory, CASE.format(given=GIVEN, rest="dispatches: [{content: {text: Hello Ada}}]"))
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []


def test_case_may_state_the_status(directory: Path) -> None:
    refused = "dispatches: [], decisions: [{outcome: refused, reason: inactive}]"
    _write(directory, CASE.format(given=GIVEN, rest=f"status: draft, {refused}"))
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []


def test_other_drafts_stay_drafts(directory: Path) -> None:
    """Else the cap of one text message would be used up by the other campaign."""
    (directory / "policies.yaml").write_text("frequency_caps: [{channel: sms, max: 1, per: P1D}]")
    (directory / "hello.yaml").write_text(CAMPAIGN + "status: draft\n")
    (directory / "first.yaml").write_text(CAMPAIGN.replace("hello", "first", 1) + "status: draft\npriority: 9\n")
    _write(directory, CASE.format(given=GIVEN, rest="dispatches: [{channel: sms}]"))
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []
    (directory / "first.yaml").write_text(CAMPAIGN.replace("hello", "first", 1) + "priority: 9\n")
    (outcome,) = check_directory(directory)
    assert outcome.complaints[0] == "dispatches: expected 1, got 0"


def test_programme_may_come_into_force_later(directory: Path) -> None:
    _write(directory, CASE.format(given=GIVEN, rest="start: 2026-03-02T13:00:00Z, dispatches: []"))
    (outcome,) = check_directory(directory)
    assert list(outcome.complaints) == []


def test_status_names_its_message_by_the_action(directory: Path) -> None:
    wait = "  - wait: {for: {event: message_clicked, of: it}, timeout: PT2H, on_timeout: [{exit: no}]}\n"
    (directory / "hello.yaml").write_text(CAMPAIGN.replace("template: hello", "template: hello, as: it") + wait)
    clicked = (
        "{type: message_clicked, occurred_at: 2026-03-02T13:00:00Z, member_id: m1, channel: sms, "
        "dispatch_of: 'actions[0]'}"
    )
    ended = "decisions: [{at: 2026-03-02T13:00:00Z, outcome: ended, reason: completed}]"
    _write(directory, CASE.format(given=f"{GIVEN}, {clicked}", rest=ended))
    tests = CampaignTests(directory)
    assert [list(outcome.complaints) for outcome in tests.run()] == [[]]
    (coverage,) = tests.coverage()
    assert coverage.missed == ["actions[1].on_timeout[0]", "actions[1].timed_out"]


def _run(directory: Path, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(command, [str(directory), *options])
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_command_tells_each_case_as_a_line_and_fails_with_them(directory: Path) -> None:
    _write(directory, CASE.format(given=GIVEN, rest="dispatches: []"))
    code, (case, coverage), told = _run(directory)
    assert code == 1
    assert (case["file"], case["case"], case["passed"]) == ("hello_test.yaml", "a", False)
    assert case["diff"][:2] == ["--- dispatches: expected", "+++ dispatches: got"]
    assert coverage["campaign"] == "hello"
    assert "1 cases, 1 failed; 100 % of actions and branches reached" in told


def test_command_tells_where_the_case_stands_and_what_was_decided(directory: Path) -> None:
    nobody = GIVEN.replace(", phone: '+79161234567'", "")
    _write(directory, "\n\n" + CASE.format(given=nobody, rest="dispatches: [{channel: sms}]"))
    _, (case, _), _ = _run(directory)
    assert case["line"] == 3
    assert case["decided"] == [
        {
            "at": "2026-03-02T12:00:00Z",
            "member_id": "m1",
            "action": "actions[0]",
            "outcome": "suppressed",
            "reason": "no_address",
        }
    ]


def test_person_is_told_why(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = GIVEN.replace(", phone: '+79161234567'", "")
    _write(directory, CASE.format(given=nobody, rest="dispatches: [{channel: sms}]"))
    (outcome,) = check_directory(directory)
    _tell_case(outcome, directory)
    told = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "hello_test.yaml:1: a" in told[0]
    assert told[-2:] == [
        "what was decided, and why:",
        (
            "2026-03-02T12:00:00Z m1 actions[0] suppressed (no_address): "
            "The member has no address in this channel, or one that is known to be dead (docs/consent.md)."
        ),
    ]


def test_command_fails_below_the_least_coverage(directory: Path) -> None:
    branches = "  - if: {member.city: Omsk}\n    then: [{wait: P1D}]\n"
    (directory / "hello.yaml").write_text(CAMPAIGN + branches)
    _write(directory, CASE.format(given=GIVEN, rest="dispatches: [{channel: sms}]"))
    code, (_, coverage), told = _run(directory, "--min-coverage", "60")
    assert (code, coverage["not_reached"]) == (0, ["actions[1].then[0]", "actions[1].then"])
    assert (coverage["actions"], coverage["actions_reached"]) == (3, 2)
    assert (coverage["branches"], coverage["branches_reached"]) == (2, 1)
    code, _, told = _run(directory, "--min-coverage", "60.1")
    assert code == 1
    assert "expected 60.1 % of actions and branches to be reached" in told


def test_campaign_without_tests_counts(directory: Path) -> None:
    (directory / "other.yaml").write_text(CAMPAIGN.replace("hello", "other", 1))
    _write(directory, CASE.format(given=GIVEN, rest="dispatches: [{channel: sms}]"))
    code, (_, _, other), _ = _run(directory, "--min-coverage", "51")
    assert (code, other["campaign"], other["not_reached"]) == (1, "other", ["actions[0]"])


@pytest.mark.parametrize("wrong", [["--min-coverage", "101"], ["--min-coverage", "all"], ["--lots"]])
def test_wrong_usage_is_told_apart(directory: Path, wrong: list[str]) -> None:
    assert _run(directory, *wrong)[0] == 2
