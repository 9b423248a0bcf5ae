"""Whatever a file holds, it is read or its mistakes are told: nothing else escapes."""

import random
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streams.programme import Problem, ProblemsError, compare_bundles, lint, load, read_directory
from streams.programme.problems import errors
from streams.programme.yaml_text import read_yaml
from tests.simulation.support import bought, event, happened, registered

ROOT = Path(__file__).parents[3]
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


# Keys of the campaigns that ship, every second: twice the time finds nothing more -------------------------------------

SHIPPED = {
    f"{directory}/{name}": (read_directory(ROOT / directory), name)
    for directory in ("campaigns", "campaigns/library")
    for name in read_directory(ROOT / directory)
    if name.endswith(".yaml")
}
EVENTS = [
    registered("m", "2018-01-01T00:00:00Z", birth_date="1990-01-05", attributes={"x": "y"}),
    event("m", "cart_item_added", "2018-01-02T12:00:00Z", sku="1", quantity=1, price=5),
    bought("m", "2018-01-03T12:00:00Z", lines=[{"sku": "1", "name": "Tea", "category": "coffee", "price": 5}]),
    event("m", "status_changed", "2018-01-04T12:00:00Z", previous="silver", status="gold"),
    event("m", "message_failed", "2018-01-05T12:00:00Z", dispatch_id="x", channel="sms"),
]


def places(data: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every value."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(data: Any, path: tuple[str | int, ...], choose: random.Random) -> Any:
    """The data with one key dropped, renamed, stated in other letters, or with another kind of value."""
    key, *below = path
    if below:
        inner = changed(data[key], tuple(below), choose)
        return {**data, key: inner} if isinstance(data, dict) else [*data[:key], inner, *data[key + 1 :]]
    match choose.randrange(4):
        case 0 if isinstance(data, dict):
            return {name: value for name, value in data.items() if name != key}
        case 0:
            return [*data[:key], *data[key + 1 :]]
        case 1 if isinstance(data, dict):
            return {(f"{name}s" if name == key else name): value for name, value in data.items()}
        case 2 if isinstance(data, dict):
            return {**data, str(key).upper(): data[key]}
        case _:
            strange = choose.choice(STRANGE)
            return {**data, key: strange} if isinstance(data, dict) else [*data[:key], strange, *data[key + 1 :]]


@pytest.mark.parametrize("shipped", SHIPPED)
def test_any_key_of_what_ships_changed_is_told_or_runs(shipped: str) -> None:
    files, name = SHIPPED[shipped]
    data = read_yaml(files[name], name).data
    shared = ("templates/", "segments/", "polls/", "policies.yaml", "counters.yaml")
    base = {other: text for other, text in files.items() if other == name or other.startswith(shared)}
    if name.startswith(shared):
        base |= dict(list(files.items())[:4])
    for path in list(places(data))[::2]:
        choose = random.Random(f"{shipped} {path}")
        text = yaml.dump(changed(data, path, choose), Dumper=_Dumper, allow_unicode=True)
        problems = lint({**base, name: text})
        assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in problems)
        if errors(problems):
            with pytest.raises(ProblemsError) as refused:
                load([{**base, name: text}])
            assert list(refused.value.problems) == errors(problems)
        else:
            happened(load([{**base, name: text}]), EVENTS, "2018-06-01T00:00:00Z")


def test_what_is_wrong_before_and_after_is_compared_or_told() -> None:
    choose = random.Random(7)
    for name in (name for name in SOUND if name.endswith(".yaml")):
        data = read_yaml(SOUND[name], name).data
        for path in list(places(data))[::6]:
            text = yaml.dump(changed(data, path, choose), Dumper=_Dumper, allow_unicode=True)
            other = {**SOUND, name: text}
            for before, after in ((SOUND, other), (other, SOUND)):
                problems, comparison = compare_bundles([before], after)
                assert (comparison is None) == any(
                    problem.severity == "error" and "raise the version" not in problem.message for problem in problems
                )


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "{a: " * 5_000,
        "- " * 3_000 + "x",
        "a: &a [*a]",
        "id: &x [1, 2]\nb: [*x, *x]",
        "\ufeffid: x",
        "? [a]\n: b",
        "--- a\n--- b",
        "%YAML 9.9\n---\nid: x",
        "id: 0x" + "f" * 5_000,
        "id: " + "9" * 100_000,
        "trigger: {event: x}\nid: x\nactions: [{if: " + "{not: " * 40 + "{total: 1}" + "}" * 40 + ", then: []}]",
        "trigger: {event: x}\nid: x\nactions: " + "[{if: {}, then: " * 25 + "[]" + "}]" * 25,
    ],
    ids=lambda text: text[:12],
)
def test_what_would_break_a_parser_is_told(text: str) -> None:
    names = ("a.yaml", "templates/t.yaml", "policies.yaml", "counters.yaml", "segments/s.yaml", "polls/p.yaml")
    assert errors(lint(dict.fromkeys(names, text)))


@given(st.text(alphabet=st.sampled_from("abc:{}[]-,#&*!|>'\"%@`\n\t ?~0.1\x00é"), max_size=60))
def test_any_text_is_read_or_told(text: str) -> None:
    document = read_yaml(text, "x.yaml")
    assert document.problems or document.data is not None or text.strip()
