import re
from typing import Any

import pytest

from streams.engine.actions import Action
from streams.engine.campaign import Campaign, Counter, Policies, Poll, Segment
from streams.engine.channels import CHANNELS
from streams.engine.conditions import Condition, parse
from streams.engine.decision import OUTCOMES, OUTCOMES_OF, REASONS
from streams.engine.definition import Kind
from streams.engine.policies.consent import MessagingType
from streams.engine.policies.frequency_cap import FrequencyCap
from streams.engine.policies.quiet_hours import QuietHours
from streams.engine.templates import Template
from streams.engine.triggers import Trigger
from streams.programme import json_schema, lint
from streams.programme.reference import PAGE, render
from streams.programme.worked import programme_files, timeline
from streams.programme.yaml_text import read_yaml


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `python -m streams.programme.reference`"


def test_every_example_on_the_page_is_yaml_and_those_of_campaigns_and_conditions_parse() -> None:
    examples = [read_yaml(text, "x.yaml") for text in re.findall(r"```yaml\n(.*?)```", render(), re.DOTALL)]
    assert len(examples) > 25
    assert all(not example.problems for example in examples)
    (campaign,) = [example.data for example in examples if "actions" in example.data]
    assert Campaign.model_validate(campaign)
    (condition,) = [example.data["audience"] for example in examples if set(example.data) == {"audience"}]
    assert isinstance(parse(condition), Condition)


@pytest.mark.parametrize("kind", [*Action.kinds().values(), *Trigger.kinds().values()], ids=lambda kind: kind.__name__)
def test_the_example_of_each_kind_is_sound_and_does_something(kind: type[Kind]) -> None:
    assert lint(programme_files(kind)) == []
    assert any("→" in line for line in timeline(kind))


def test_the_examples_of_all_kinds_of_files_make_one_directory() -> None:
    again = Template.example.replace("id: come-back", "id: come-back-again")
    both = "".join("- " + each.rstrip().replace("\n", "\n  ") + "\n" for each in (Template.example, again))
    files = {
        "policies.yaml": Policies.example,
        "counters.yaml": f"counters:\n  {Counter.example}",
        "segments/year-old.yaml": Segment.example,
        "polls/after-purchase.yaml": Poll.example,
        "templates/all.yaml": f"templates:\n{both}",
        "come-back.yaml": Campaign.example,
    }
    assert lint(files) == []
    for policy in (QuietHours, FrequencyCap, MessagingType):
        assert lint({**files, "policies.yaml": policy.example}) == []


@pytest.mark.parametrize("name", json_schema.definitions())
def test_every_key_is_explained(name: str) -> None:
    def unexplained(schema: Any, path: str) -> list[str]:
        if isinstance(schema, list):
            return [found for part in schema for found in unexplained(part, path)]
        if not isinstance(schema, dict):
            return []
        below = schema.get("properties", {}) if isinstance(schema.get("properties"), dict) else {}
        missing = [f"{path}.{key}" for key, part in below.items() if not part.get("description")]
        return missing + [
            found
            for key, part in schema.items()
            for found in (
                [each for inner, value in part.items() for each in unexplained(value, f"{path}.{inner}")]
                if key == "properties"
                else unexplained(part, path)
            )
        ]

    assert unexplained(json_schema.definitions()[name], name) == []


def test_every_reason_is_explained_with_its_outcomes() -> None:
    assert OUTCOMES_OF.keys() == REASONS.keys()
    assert {outcome for outcomes in OUTCOMES_OF.values() for outcome in outcomes} == OUTCOMES.keys()
    page = render()
    for name in (*OUTCOMES, *REASONS):
        assert f"\n| `{name}` | " in page


def test_every_kind_and_channel_is_on_the_page() -> None:
    page = render()
    for kind in (*Action.kinds(), *Trigger.kinds()):
        assert f"\n### {kind}\n" in page
    for channel in CHANNELS:
        assert f"\n| `{channel}` |" in page
