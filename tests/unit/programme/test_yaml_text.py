from decimal import Decimal
from typing import Any

import pytest

from streams.programme.yaml_text import read_yaml, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("on", "on"), ("no", "no"), ("off", "off"), ("y", "y"), ("10:00", "10:00"), ("2026-12-01", "2026-12-01")),
        *(("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("Null", None)),
        *(("5", 5), ("-5", -5), ("007", 7), ("0x1F", 31), ("0o17", 15), ("1_000", "1_000")),
        *(("12.50", Decimal("12.50")), ("0.1", Decimal("0.1")), ("1e3", Decimal(1000)), (".5", Decimal("0.5"))),
        *(
            ("1e99999", "1e99999"),
            (".inf", ".inf"),
            (".nan", ".nan"),
            ("P1D", "P1D"),
            ("-P3D", "-P3D"),
            ("+7916", 7916),
        ),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_are_strings() -> None:
    assert read_yaml('["5", \'5\', "10:00"]', "x.yaml").data == ["5", "5", "10:00"]


def test_keys_are_strings_whatever_they_look_like() -> None:
    assert read_yaml("{on: 1, 2: b, true: c}", "x.yaml").data == {"on": 1, "2": "b", "true": "c"}


def test_every_value_has_its_place() -> None:
    document = read_yaml("a: 1\nb:\n  - c: x\n  - {d: 2}\n", "x.yaml")
    assert document.places["a",] == (1, 4)
    assert document.places["b",] == (2, 1)
    assert document.places["b", 0] == (3, 5)
    assert document.places["b", 1, "d"] == (4, 9)


def test_a_problem_stands_at_the_nearest_place_and_names_the_whole_path() -> None:
    document = read_yaml("trigger:\n  event: x\n", "x.yaml")
    problem = document.problem(("trigger", 0, "where", "total"), "is wrong")
    assert str(problem) == "x.yaml:1:1: trigger.where.total: is wrong"
    assert (
        str(document.problem(("trigger", 0, "event"), "is odd", "warning"))
        == "x.yaml:2:10: warning: trigger.event: is odd"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "x.yaml:2:1: a: is stated twice, first in line 1"),
        ("", "x.yaml:1:1: is empty"),
        ("# nothing\n", "x.yaml:1:1: is empty"),
        ("a: !!int 5\n", "tags such as"),
        ("a: !x 5\n", "tags such as"),
        ("a: [1\n", "isn't valid YAML"),
        ("a: 1\n---\nb: 2\n", "isn't valid YAML"),
        ("a: \x07\n", "isn't valid YAML"),
        ("? [a]\n: 1\n", "a key is a word"),
        ("a: *b\n", "isn't valid YAML"),
        ("{" * 5000, "isn't"),
        ("[" * 100 + "]" * 100, "nests them too deeply"),
    ],
)
def test_what_is_wrong_as_yaml_is_told(text: str, message: str) -> None:
    problems = read_yaml(text, "x.yaml").problems
    assert len(problems) == 1
    assert message in str(problems[0])


def test_aliases_repeat_a_value_but_cannot_blow_up() -> None:
    assert read_yaml("a: &x [1]\nb: *x\n", "x.yaml").data == {"a": [1], "b": [1]}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    (problem,) = read_yaml(bomb, "x.yaml").problems
    assert "too many values" in problem.message
