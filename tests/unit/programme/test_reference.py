import re

from streams.engine.actions import Action
from streams.engine.campaign import Campaign
from streams.engine.channels import CHANNELS
from streams.engine.conditions import Condition, parse
from streams.engine.triggers import Trigger
from streams.programme.reference import PAGE, render
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


def test_every_kind_and_channel_is_on_the_page() -> None:
    page = render()
    for kind in (*Action.kinds(), *Trigger.kinds()):
        assert f"\n### {kind}\n" in page
    for channel in CHANNELS:
        assert f"\n| `{channel}` |" in page
