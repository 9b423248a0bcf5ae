"""Conditions that exclude themselves, each with its place; and none that may hold."""

import pytest

from tests.unit.programme.test_lint_places import told, with_keys


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        (
            ["audience: {total: {gt: 10, lt: 5}}"],
            "c.yaml:3:32: warning: audience.total.lt: can never hold beside `gt: 10`",
        ),
        (
            ["audience:", "  total: {ge: 10}", "  all: [{total: 5}]"],
            "c.yaml:5:17: warning: audience.all[0].total: can never hold beside `ge: 10`",
        ),
        (
            ["audience: {member.age: {gt: 17, lt: 18}}"],
            "c.yaml:3:37: warning: audience.member.age.lt: can never hold beside `gt: 17`",
        ),
        (
            ["audience: {member.city: {starts_with: A, in: [Bonn, Cologne]}}"],
            "c.yaml:3:42: warning: audience.member.city.in: can never hold beside `starts_with: A`",
        ),
        (
            ["audience: {member.attributes.x: {eq: 5, starts_with: A}}"],
            "c.yaml:3:54: warning: audience.member.attributes.x.starts_with: can never hold beside `eq: 5`",
        ),
        (
            ["audience: {member.email: {exists: false, contains: '@'}}"],
            "c.yaml:3:52: warning: audience.member.email.contains: can never hold beside `exists: false`",
        ),
        (
            ["audience: {segment: everyone, not: {segment: everyone}}"],
            "c.yaml:3:31: warning: audience.not: can never hold beside `segment: everyone`",
        ),
        (
            ["audience: {total: {between: [9, 1]}}"],
            "c.yaml:3:20: warning: audience.total.between: can never hold: the first value is the lowest",
        ),
        (
            ["audience: {member.city: {in: []}}"],
            "c.yaml:3:26: warning: audience.member.city.in: can never hold: there is no value that it could be",
        ),
        (["audience: {any: []}"], "c.yaml:3:12: warning: audience.any: can never hold: there is nothing of which one"),
        (["audience: {not: {}}"], "c.yaml:3:12: warning: audience.not: can never hold: what it denies always holds"),
        (
            ["audience: {lines: {some: {sku: a, all: [{sku: b}]}}}"],
            "c.yaml:3:47: warning: audience.lines.some.all[0].sku: can never hold beside `eq: a`",
        ),
        (
            ["audience: {member.attributes.x: null}"],
            (
                "c.yaml:3:33: warning: audience.member.attributes.x: can never hold: nothing equals null; "
                "write `{exists: false}`"
            ),
        ),
        (
            ["audience: {member.birth_date: {starts_with: '1990-01-01'}}"],
            "c.yaml:3:45: warning: audience.member.birth_date.starts_with: can never hold: `member.birth_date` is",
        ),
        (
            ["audience: {member.city: {gt: true}}"],
            "c.yaml:3:30: warning: audience.member.city.gt: can never hold: `member.city` is a string",
        ),
    ],
)
def test_conditions_that_can_never_hold(lines: list[str], place: str) -> None:
    (line,) = told(with_keys(*lines))
    assert line.startswith(place)


@pytest.mark.parametrize(
    "condition",
    [
        "{total: {gt: 5, lt: 10}}",
        "{total: {gt: 17, lt: 18}}",
        "{total: {ge: 5, le: 5}}",
        "{any: [{total: {gt: 10}}, {total: {lt: 5}}]}",
        "{total: {gt: 10}, not: {total: {lt: 5}}}",
        "{member.city: {ne: Bonn, starts_with: B}}",
        "{member.city: {not_in: [Bonn], exists: true}}",
        "{member.birth_date: {ge: 1990-01-01, lt: 1991-01-01}}",
        "{member.attributes.x: {gt: 2020-01-01, lt: 2020-01-01T10:00}}",
        "{total: {gt: {ref: entry.discount}, lt: 0}}",
        "{lines: {some: {sku: a}}, all: [{lines: {some: {sku: b}}}]}",
        "{member.email: {exists: false}, all: [{member.email: {exists: false}}]}",
        "{store_id: {contains: a, starts_with: b}}",
    ],
)
def test_conditions_that_may_hold(condition: str) -> None:
    assert told(with_keys(f"audience: {condition}")) == []
