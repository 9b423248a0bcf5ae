import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from streams.cli.schema import command
from streams.engine.actions import Action
from streams.engine.campaign import Campaign, Counter, Policies, Poll, Segment
from streams.engine.definition import Kind
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.programme import read_directory
from streams.programme.json_schema import DIALECT, FILES, json_schema
from streams.programme.yaml_text import read_yaml

ROOT = Path(__file__).parents[3]
WHOLE = json_schema()


def plain(value: Any) -> Any:
    """As JSON has it: decimals are numbers there."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return float(value) if isinstance(value, Decimal) else value


def mistakes(definition: str, text: str) -> list[str]:
    schema = {"$schema": DIALECT, "$ref": f"#/$defs/{definition}", "$defs": WHOLE["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    return [error.message for error in validator.iter_errors(plain(read_yaml(text, "x.yaml").data))]


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(WHOLE)


def test_every_reference_has_its_definition() -> None:
    text = json.dumps(WHOLE)
    names = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert names <= set(WHOLE["$defs"])
    assert '"defined"' not in text


@pytest.mark.parametrize("kind", [*Action.kinds().values(), *Trigger.kinds().values()], ids=lambda kind: kind.__name__)
def test_the_example_of_each_kind_suits(kind: type[Kind]) -> None:
    family = "action" if issubclass(kind, Action) else "trigger"
    assert mistakes(family, kind.example) == []
    assert mistakes(f"{family}:{kind.kind}", kind.example) == []


@pytest.mark.parametrize(
    ("definition", "model"),
    [("campaign", Campaign), ("policies", Policies), ("segment", Segment), ("poll", Poll), ("template", Template)],
)
def test_the_example_of_each_file_suits(definition: str, model: Any) -> None:
    assert mistakes(definition, model.example) == []


def test_the_example_of_a_counter_suits() -> None:
    assert mistakes("counters", f"counters:\n  {Counter.example}") == []


def test_the_campaigns_that_ship_suit() -> None:
    for name, text in read_directory(ROOT / "campaigns").items():
        head, *_ = name.split("/")
        folders = {"templates": "templates", "segments": "segment", "polls": "poll"}
        file = folders.get(
            head, head.removesuffix(".yaml") if head in {"policies.yaml", "counters.yaml"} else "campaign"
        )
        assert mistakes(file, text) == [], name


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ("action", "sned: {}"),
        ("action", "wait: 14"),
        ("action", "wait: {untill: 10:00}"),
        ("action", "wait: {duration: P1D}"),
        ("action", "send: {chanel: sms}"),
        ("action", "{wait: P1D, send: {}}"),
        ("action", "split: [{percent: 101}]"),
        ("action", "{if: {a: {gte: 5}}, then: []}"),
        ("trigger", "now: false"),
        ("trigger", "{date: birth_date, at: soon}"),
        ("campaign", "id: x\ntrigger: {event: e}\nactions: []\nstatus: lively"),
        ("campaign", "id: x\nactions: []"),
        ("counters", "counters: {c: {event: e, aggregate: median}}"),
        ("policies", "quiet_hours: {from: 21:00}"),
        ("templates", "templates: [{id: t, txt: a}]"),
        ("condition", "{any: {a: 1}}"),
        ("condition", "{lines: {some: 5}}"),
        ("condition", "{total: [1]}"),
    ],
)
def test_what_is_wrong_does_not_suit(definition: str, text: str) -> None:
    assert mistakes(definition, text)


def test_the_command_prints_the_schema_of_all_files_or_of_one() -> None:
    runner = CliRunner()
    assert json.loads(runner.invoke(command, []).stdout) == WHOLE
    for file in FILES:
        assert json.loads(runner.invoke(command, [file]).stdout)["$ref"] == f"#/$defs/{file}"
    wrong = runner.invoke(command, ["campaing"])
    assert wrong.exit_code == 2
    assert "expected campaign, policies" in wrong.stderr
