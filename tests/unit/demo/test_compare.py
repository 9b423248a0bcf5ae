"""The comparison finds every way in which a live run can differ from the simulation of its log."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from streams.demo.compare import compare
from streams.engine.commands import Attribution, Award, Dispatch
from streams.errors import InputError

DISPATCH = Dispatch(
    at=1_491_231_600_000,
    dispatch_id="d1",
    member_id="m1",
    campaign="come-back",
    version=1,
    action="actions[1]",
    channel="sms",
    to="+15135550100",
    content={"text": "Ada, we miss you"},
    messaging_type="marketing",
)
AWARD = Award(
    at=1_491_231_600_500,
    award_id="a1",
    member_id="m1",
    campaign="birthday",
    version=1,
    action="actions[0]",
    amount=Decimal("12.5"),
    currency="points",
    expires_at=1_491_318_000_000,
)
ATTRIBUTION = Attribution(
    at=1_491_404_400_000,
    attribution_id="t1",
    member_id="m1",
    dispatch_id="d1",
    campaign="come-back",
    version=1,
    action="actions[1]",
    channel="sms",
    event="purchase_returned",
    event_id="e1",
    occurred_at=1_491_404_400_000,
    purchase="r1",
    amount=Decimal("-0.30"),
    touch="sent",
    touched_at=1_491_231_600_000,
)
DISPATCH_LINE: dict[str, Any] = {
    "kind": "dispatch",
    "at": "2017-04-03T15:00:00Z",
    "dispatch_id": "d1",
    "member_id": "m1",
    "campaign": "come-back",
    "version": 1,
    "action": "actions[1]",
    "channel": "sms",
    "to": "+15135550100",
    "content": {"text": "Ada, we miss you"},
}
AWARD_LINE: dict[str, Any] = {
    "kind": "award",
    "at": "2017-04-03T15:00:00.500Z",
    "award_id": "a1",
    "member_id": "m1",
    "campaign": "birthday",
    "amount": 12.5,
    "currency": "points",
    "expires_at": "2017-04-04T15:00:00Z",
    "legal_entity": None,
    "description": None,
}
ATTRIBUTION_LINE: dict[str, Any] = {
    "kind": "attribution",
    "at": "2017-04-05T15:00:00Z",
    "attribution_id": "t1",
    "member_id": "m1",
    "dispatch_id": "d1",
    "campaign": "come-back",
    "version": 1,
    "action": "actions[1]",
    "channel": "sms",
    "event": "purchase_returned",
    "event_id": "e1",
    "occurred_at": "2017-04-05T15:00:00Z",
    "purchase": "r1",
    "amount": -0.3,
    "touch": "sent",
    "touched_at": "2017-04-03T15:00:00Z",
}


def _simulated(tmp_path: Path, *lines: dict[str, Any]) -> Path:
    path = tmp_path / "simulated.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_same_commands_agree_whatever_their_order(tmp_path: Path) -> None:
    simulated = _simulated(tmp_path, ATTRIBUTION_LINE, DISPATCH_LINE, {"kind": "decision"}, AWARD_LINE)
    found = compare([AWARD, DISPATCH, ATTRIBUTION], simulated)
    assert (found.agrees, found.same) == (True, 3)


def test_missing_and_additional_commands_are_named(tmp_path: Path) -> None:
    found = compare([DISPATCH], _simulated(tmp_path, AWARD_LINE))
    assert not found.agrees
    assert [line.split(":")[0] for line in found.differences] == ["live only", "simulated only"]
    assert "d1 of come-back to m1" in found.differences[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("at", "2017-04-03T15:00:01Z"), ("to", "+1"), ("content", {"text": "Ada"}), ("action", "actions[3]")],
)
def test_every_field_counts(tmp_path: Path, field: str, value: Any) -> None:
    found = compare([DISPATCH], _simulated(tmp_path, {**DISPATCH_LINE, field: value}))
    assert len(found.differences) == 1
    assert field in found.differences[0]


def test_twice_is_a_difference(tmp_path: Path) -> None:
    found = compare([DISPATCH, DISPATCH], _simulated(tmp_path, DISPATCH_LINE))
    assert found.differences == ("twice: live dispatch d1: 2 times",)


def test_only_the_first_few_differences_are_told(tmp_path: Path) -> None:
    many = [msgspec.structs.replace(DISPATCH, dispatch_id=f"d{n:02d}") for n in range(20)]
    found = compare(many, _simulated(tmp_path))
    assert len(found.differences) == 6
    assert found.differences[-1] == "live only: and 15 more"


def test_a_file_that_is_no_simulation_is_named(tmp_path: Path) -> None:
    path = tmp_path / "simulated.jsonl"
    path.write_text('{"kind": "decision"}\nnothing\n', encoding="utf-8")
    with pytest.raises(InputError, match=r"simulated\.jsonl:2: expected a line"):
        compare([], path)
