"""Whatever a file holds, it is read or its mistakes are told: nothing else escapes."""

import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streams.programme import Problem, lint, read_directory
from streams.programme.yaml_text import read_yaml

SOUND = read_directory(Path(__file__).parent / "contract")
STRANGE: list[Any] = [
    *(None, True, 0, -1, 10**25, 1.5, "", "x", "P1D", "10:00", "{{ x", "{{ member.first_name }}", [], {}, [[]], [None]),
    *({"x": 1}, {"ref": "x"}, {"segment": "year-old"}, {"event": "purchase_completed"}, [{"wait": "P1D"}], {"all": 1}),
    *({"exit": 1}, "everyone", "9999-12-31", "0001-01-01", {"some": {"x": {"every": 5}}}, "\x00", "😀" * 50, "-P3D"),
]


class _Dumper(yaml.SafeDumper):
    """Writes decimals as numbers."""


_Dumper.add_representer(Decimal, lambda dumper, number: dumper.represent_scalar("tag:yaml.org,2002:float", str(number)))


def mutate(data: Any, choose: random.Random) -> Any:
    """One place of the data is replaced, dropped, doubled or renamed."""
    if isinstance(data, dict) and data and choose.random() < 0.9:
        key = choose.choice(list(data))
        rest = dict(data)
        match choose.randrange(8):
            case 0:
                del rest[key]
            case 1:
                rest[f"{key}x"] = rest.pop(key)
            case _:
                rest[key] = mutate(data[key], choose)
        return rest
    if isinstance(data, list) and data and choose.random() < 0.9:
        index = choose.randrange(len(data))
        if choose.random() < 0.1:
            return [*data, data[index]]
        return [*data[:index], mutate(data[index], choose), *data[index + 1 :]]
    return choose.choice(STRANGE)


@pytest.mark.parametrize("seed", range(300))
def test_a_strange_value_anywhere_is_told_or_taken(seed: int) -> None:
    choose = random.Random(seed)
    name = choose.choice([name for name in SOUND if name.endswith(".yaml")])
    data = read_yaml(SOUND[name], name).data
    for _ in range(choose.randrange(1, 4)):
        data = mutate(data, choose)
    text = yaml.dump(data, Dumper=_Dumper, allow_unicode=True)
    problems = lint({**SOUND, name: text})
    assert all(isinstance(problem, Problem) and problem.line >= 1 and problem.column >= 1 for problem in problems)
    assert all("Traceback" not in problem.message and problem.message for problem in problems)


@given(st.text(alphabet=st.sampled_from("abc:{}[]-,#&*!|>'\"%@`\n\t ?~0.1\x00é"), max_size=60))
def test_any_text_is_read_or_told(text: str) -> None:
    document = read_yaml(text, "x.yaml")
    assert document.problems or document.data is not None or text.strip()
