"""Conditions that can never hold by themselves: what they ask of one name excludes itself.

Each list of tests that must all hold is looked at by name, two tests at a time. A value has one kind and, where a test
names it, one of a few values; so two tests exclude each other if they need unlike kinds, if no named value passes both,
or if one's lowest lies above the other's highest. References (`{ref: …}`) are looked up when the condition is tested:
nothing is said of them here.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from itertools import combinations
from typing import Any

from streams.engine.conditions.condition import Node
from streams.engine.conditions.nodes import AllOf, AnyOf, Compare, InSegment, Not, refs
from streams.engine.conditions.operators._kinds import instant
from streams.engine.conditions.records import Records

Path = tuple[str | int, ...]
_ANY = frozenset({"number", "text", "moment", "truth", "list"})
_LOW, _HIGH = {"gt", "ge", "between"}, {"lt", "le", "between"}
_INTEGER = frozenset({"integer"})


def contradictions(root: Node, kinds: dict[Path, str]) -> Iterator[tuple[Path, str]]:
    """Where a condition excludes itself, and why. `kinds`: of what is compared, by the test's path, as far as known."""
    yield from _alone(root, kinds)
    for child in _inside(root):
        yield from contradictions(child, kinds)


def _inside(node: Node) -> Iterator[Node]:
    """The conditions inside, each of which must make sense by itself."""
    for part in _conjuncts(node):
        if isinstance(part, AnyOf | Not):
            yield from part.children()
        elif isinstance(part, Records):
            yield part.part


def _conjuncts(node: Node) -> Iterator[Node]:
    if isinstance(node, AllOf):
        for part in node.parts:
            yield from _conjuncts(part)
    else:
        yield node


def _alone(node: Node, kinds: dict[Path, str]) -> Iterator[tuple[Path, str]]:
    parts = list(_conjuncts(node))
    for part in parts:
        if isinstance(part, AnyOf) and not part.parts:
            yield part.path, "can never hold: there is nothing of which one could hold"
        elif isinstance(part, Not) and not list(_conjuncts(part.part)):
            yield part.path, "can never hold: what it denies always holds"
        elif isinstance(part, Compare):
            why = _impossible(part)
            if why:
                yield part.path, f"can never hold: {why}"
    told: set[Path] = set()
    for first, second in combinations(parts, 2):
        if second.path not in told and _exclude(first, second, kinds.get(second.path)):
            told.add(second.path)
            yield second.path, f"can never hold beside {_named(first)}"


def _exclude(first: Node, second: Node, kind: str | None) -> bool:
    if isinstance(first, Not) or isinstance(second, Not):
        one, other = (first, second) if isinstance(first, Not) else (second, first)
        return isinstance(one, Not) and _same(one.part, other)
    if not (isinstance(first, Compare) and isinstance(second, Compare) and first.name == second.name):
        return False
    both = (first, second)
    if any(True for each in both for _ in refs(each.operand)) or any(_impossible(each) is not None for each in both):
        return False
    missing = [each.operator.name == "exists" and each.operand is False for each in both]
    if any(missing):
        return not all(missing)
    return (
        not _kinds(first) & _kinds(second)
        or _no_value_passes(first, second)
        or _no_value_passes(second, first)
        or _ranges_exclude(first, second, kind)
        or _beginnings_exclude(first, second)
    )


def _same(one: Node, other: Node) -> bool:
    if isinstance(one, InSegment) and isinstance(other, InSegment):
        return one.segment == other.segment
    if isinstance(one, Compare) and isinstance(other, Compare):
        # by repr: in Python True equals 1, in a condition it doesn't
        same = (one.name, one.operator.name) == (other.name, other.operator.name)
        return same and repr(one.operand) == repr(other.operand)
    return False


def _impossible(test: Compare) -> str | None:
    """Why one test passes nothing (empty: that is told elsewhere), None if it may pass something."""
    name, operand = test.operator.name, test.operand
    if any(True for _ in refs(operand)):
        return None
    if name == "in" and not operand:
        return "there is no value that it could be"
    if operand is None:
        return ""
    if name in {"gt", "ge", "lt", "le", "between"} and any(isinstance(each, bool) for each in _operands(test)):
        return "true and false have no order"
    if name == "between" and (_unlike(*operand) or _above(operand[0], operand[1], strict=False)):
        return "the first value is the lowest, the second the highest"
    return None


def _operands(test: Compare) -> list[Any]:
    return test.operand if isinstance(test.operand, list) else [test.operand]


def _kind_of(operand: Any) -> frozenset[str]:
    if isinstance(operand, bool):
        return frozenset({"truth"})
    if isinstance(operand, int | float | Decimal):
        return frozenset({"number"})
    if isinstance(operand, str):
        return frozenset({"text", "moment"} if instant(operand) is not None else {"text"})
    return frozenset()


def _kinds(test: Compare) -> frozenset[str]:
    """The kinds that a value must be of one of, to pass."""
    match test.operator.name:
        case "exists":
            return _ANY
        case "starts_with":
            return frozenset({"text"})
        case "contains":
            return frozenset({"text", "list"}) if isinstance(test.operand, str) else frozenset({"list"})
        case "not_in" if not test.operand:
            return _ANY
        case "between":
            return _kind_of(test.operand[0]) & _kind_of(test.operand[1])
        case _:
            return frozenset().union(*(_kind_of(each) for each in _operands(test)))


def _no_value_passes(few: Compare, test: Compare) -> bool:
    """Whether `few` names its values and none of them passes the other test, whichever kind it stands for."""
    if few.operator.name not in {"eq", "in"}:
        return False
    passes = test.operator.compile(test.operand)
    values = [each for operand in _operands(few) for each in (operand, instant(operand)) if each is not None]
    return not any(passes(each) for each in values)


def _ranges_exclude(first: Compare, second: Compare, kind: str | None) -> bool:
    return _lies_above(first, second, kind) or _lies_above(second, first, kind)


def _lies_above(low: Compare, high: Compare, kind: str | None) -> bool:
    if low.operator.name not in _LOW or high.operator.name not in _HIGH:
        return False
    lowest, highest = _operands(low)[0], _operands(high)[-1]
    if _unlike(lowest, highest):
        return False
    strict = low.operator.name == "gt" or high.operator.name == "lt"
    if kind in _INTEGER and _kind_of(lowest) == {"number"} == _kind_of(highest):
        lowest = math.floor(lowest) + 1 if low.operator.name == "gt" else math.ceil(lowest)
        highest = math.ceil(highest) - 1 if high.operator.name == "lt" else math.floor(highest)
        strict = False
    return _above(lowest, highest, strict=strict)


def _unlike(one: Any, other: Any) -> bool:
    return not _kind_of(one) & _kind_of(other)


def _above(low: Any, high: Any, *, strict: bool) -> bool:
    """Whether nothing lies from `low` to `high`: of text that reads as dates, neither as text nor as dates."""
    pairs = [(low, high)]
    moments = instant(low), instant(high)
    if None not in moments:
        pairs.append(moments)
    return all(first >= second if strict else first > second for first, second in pairs)


def _beginnings_exclude(first: Compare, second: Compare) -> bool:
    if not first.operator.name == second.operator.name == "starts_with":
        return False
    one, other = str(first.operand), str(second.operand)
    return not (one.startswith(other) or other.startswith(one))


def _named(node: Node) -> str:
    if isinstance(node, InSegment):
        return f"`segment: {node.segment}`"
    if isinstance(node, Compare):
        operand = str(node.operand).lower() if isinstance(node.operand, bool) else node.operand
        return f"`{node.operator.name}: {operand}`"
    return "the opposite before it"
