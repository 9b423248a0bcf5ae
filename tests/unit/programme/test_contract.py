"""The directory `contract` beside this file has every form of the contract's §3: all of it must be understood."""

from pathlib import Path

from streams.engine.actions import Action
from streams.engine.triggers import Trigger
from streams.programme import lint, load, read_directory

DIRECTORY = Path(__file__).parent / "contract"


def test_every_form_of_the_contract_is_accepted_without_a_word() -> None:
    assert lint(read_directory(DIRECTORY)) == []


def test_the_directory_has_every_kind() -> None:
    programme = load([read_directory(DIRECTORY)])
    campaigns = programme.campaigns
    assert {trigger.kind for campaign in campaigns for trigger in campaign.triggers} == set(Trigger.kinds())
    assert {action.kind for campaign in campaigns for _, action in campaign.walk_actions()} == set(Action.kinds())
