"""The runner of campaigns' own tests, and the campaigns that ship."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.check_campaigns import check_directory
from streams.cli.test import command
from streams.errors import InputError
from streams.programme import lint, read_directory

CAMPAIGNS = Path(__file__).parent.parent.parent / "campaigns"
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


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "all.yaml").write_text(TEMPLATES)
    (tmp_path / "hello.yaml").write_text(CAMPAIGN)
    return tmp_path


def _write(directory: Path, cases: str) -> Path:
    (directory / "hello_test.yaml").write_text(cases)
    return directory


@pytest.mark.parametrize("outcome", list(check_directory(CAMPAIGNS)), ids=lambda outcome: outcome.case)
def test_shipped_campaigns_pass_their_own_tests(outcome) -> None:
    assert list(outcome.complaints) == []


def test_shipped_campaigns_have_tests_and_nothing_to_complain_of() -> None:
    tested = {outcome.file.name.removesuffix("_test.yaml") for outcome in check_directory(CAMPAIGNS)}
    campaigns = {path.stem for path in CAMPAIGNS.rglob("*.yaml") if "trigger:" in path.read_text()}
    assert campaigns == tested
    assert lint(read_directory(CAMPAIGNS)) == []


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
        ("[{content: {text: Hello Bob}}]", "dispatches[0].content.text: expected 'Hello Bob', got 'Hello Ada'"),
        ("[]", "dispatches: expected 0, got 1"),
        ("[{channel: sms}, {channel: email}]", "dispatches: expected 2, got 1"),
        ("[{nonsense: 1}]", "dispatches[0].nonsense: expected 1, got None"),
    ],
)
def test_expectation_that_fails_is_told(directory: Path, dispatches: str, complaint: str) -> None:
    _write(directory, f"- {{name: a, given: [{GIVEN}], until: 2026-03-03T00:00:00Z, dispatches: {dispatches}}}")
    (outcome,) = check_directory(directory)
    assert outcome.complaints[0] == complaint


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
        ("- {name: a, given: [], until: tomorrow, dispatches: []}", "field `until`: expected a time"),
        ("- {name: a, given: {}, until: 2026-03-03T00:00:00Z, dispatches: []}", "field `given`: expected a list"),
        (
            "- {name: a, given: [{type: x}], until: 2026-03-03T00:00:00Z, dispatches: []}",
            "occurred_at|unknown event type",
        ),
        ("- [", "expected YAML"),
    ],
)
def test_wrong_test_file_is_named(directory: Path, cases: str, message: str) -> None:
    _write(directory, cases)
    with pytest.raises(InputError, match=rf"hello_test\.yaml.*({message})"):
        list(check_directory(directory))


def test_directory_without_tests_is_an_error(directory: Path) -> None:
    with pytest.raises(InputError, match=r"no \*_test\.yaml"):
        list(check_directory(directory))


def test_test_without_its_campaign_is_an_error(directory: Path) -> None:
    _write(directory, "[]")
    (directory / "hello_test.yaml").rename(directory / "other_test.yaml")
    with pytest.raises(InputError, match=r"expected the campaign other\.yaml beside it"):
        list(check_directory(directory))


def test_command_tells_each_case_and_fails_with_them(directory: Path) -> None:
    _write(directory, f"- {{name: a, given: [{GIVEN}], until: 2026-03-03T00:00:00Z, dispatches: []}}")
    result = CliRunner().invoke(command, [str(directory)])
    assert result.exit_code == 1
    assert "failed hello_test.yaml: a" in result.stdout
    assert "1 cases, 1 failed" in result.stderr
