"""Expected and found, aligned: what stands in both isn't told, however much is missing before it."""

from typing import Any

import pytest

from streams.compare_commands import compare

A, B, C = ({"at": at, "action": "actions[0]", "channel": "sms", "content": {"text": at}} for at in "abc")


@pytest.mark.parametrize(
    "expected", [[], [{}], [{"at": "a"}], [{"at": "a", "content": {"text": "a"}}], [A]], ids=lambda each: str(len(each))
)
def test_agreement_is_silent(expected: list[dict[str, Any]]) -> None:
    assert compare("dispatches", expected, [A] if expected else []) == ([], [])


def test_missing_first_leaves_the_rest_in_place() -> None:
    complaints, diff = compare("dispatches", [{"at": "a"}, {"at": "b"}, {"at": "c"}], [B, C])
    assert complaints == ["dispatches: expected 3, got 2", 'dispatches[0]: missing: {"at": "a"}']
    assert diff[2:] == ['- {"at": "a"}', '  {"at": "b"}', '  {"at": "c"}']


def test_surplus_is_told_in_brief() -> None:
    complaints, diff = compare("dispatches", [{"at": "a"}, {"at": "c"}], [A, B, C])
    brief = '{"at": "b", "action": "actions[0]", "channel": "sms"}'
    assert complaints == ["dispatches: expected 2, got 3", f"dispatches: not expected: {brief}"]
    assert diff == [
        "--- dispatches: expected",
        "+++ dispatches: got",
        '  {"at": "a"}',
        f"+ {brief}",
        '  {"at": "c"}',
    ]


def test_changed_fields_stand_side_by_side() -> None:
    complaints, diff = compare("dispatches", [{"at": "a", "content": {"text": "x"}}, {"at": "b"}], [A, B])
    assert complaints == ['dispatches[0].content.text: expected "x", got "a"']
    assert diff[2:] == [
        '- {"at": "a", "content": {"text": "x"}}',
        '+ {"at": "a", "content": {"text": "a"}}',
        '  {"at": "b"}',
    ]


def test_order_matters() -> None:
    complaints, _ = compare("dispatches", [{"at": "b"}, {"at": "a"}], [A, B])
    assert len(complaints) == 2
