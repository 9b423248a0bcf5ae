"""From the YAML of a condition to its tree. Every mistake is reported, each with its path."""

from collections.abc import Mapping
from typing import Any

from streams.engine.conditions.condition import Condition, Node
from streams.engine.conditions.nodes import AllOf, AnyOf, Compare, InSegment, Not, Path, Ref
from streams.engine.conditions.operators import OPERATORS
from streams.engine.conditions.records import QUANTIFIERS, Records
from streams.engine.definition import Loc, described, did_you_mean, invalid, listed

DEPTH_MAX = 30
_COMBINERS = ("all", "any", "not")


def parse(data: Any, *, segment_is_field: bool = False) -> Condition:
    """The condition that `data` states.

    `segment_is_field`: the event at hand has a body field `segment`, so `segment: vip` is a test of it, not of
    membership. Raises `pydantic_core.ValidationError` with a path for each mistake.
    """
    parser = _Parser(segment_is_field=segment_is_field)
    tree = parser.condition(data, (), record=False)
    if parser.problems:
        raise invalid(parser.problems)
    return Condition(tree, data)


class _Parser:
    def __init__(self, *, segment_is_field: bool) -> None:
        self.problems: list[tuple[Loc, str]] = []
        self.segment_is_field = segment_is_field

    def condition(self, data: Any, path: Path, *, record: bool) -> Node:
        if len(path) > DEPTH_MAX:
            return self._wrong(path, f"is nested deeper than {DEPTH_MAX} levels")
        if not isinstance(data, Mapping):
            return self._wrong(path, f"expected a condition, a mapping from names to tests, not {described(data)}")
        parts: list[Node] = []
        for key, value in data.items():
            at = (*path, key)
            if not isinstance(key, str):
                parts.append(self._wrong(at, f"expected a name, not {described(key)}"))
            elif key in _COMBINERS:
                parts.append(self._combined(key, value, at, record=record))
            elif key == "segment" and not record and not self.segment_is_field:
                parts.append(self._segment(value, at))
            elif key in OPERATORS or key in QUANTIFIERS:
                parts.append(
                    self._wrong(at, f"the operator `{key}` must stand below a name, as in `total: {{{key}: …}}`")
                )
            else:
                parts.extend(self._tests(key, value, at))
        return parts[0] if len(parts) == 1 else AllOf(path, tuple(parts))

    def _combined(self, key: str, value: Any, at: Path, *, record: bool) -> Node:
        if key == "not":
            return Not(at, self.condition(value, at, record=record))
        if not isinstance(value, list):
            return self._wrong(at, f"expected a list of conditions, not {described(value)}")
        parts = tuple(self.condition(item, (*at, index), record=record) for index, item in enumerate(value))
        return AllOf(at, parts) if key == "all" else AnyOf(at, parts)

    def _segment(self, value: Any, at: Path) -> Node:
        if not isinstance(value, str) or not value:
            return self._wrong(at, f"expected the id of a segment, not {described(value)}")
        return InSegment(at, value)

    def _tests(self, name: str, value: Any, at: Path) -> list[Node]:
        if isinstance(value, list):
            return [self._wrong(at, "expected a value or operators; for one of several values write `{in: [...]}`")]
        if not isinstance(value, Mapping) or set(value) == {"ref"}:
            return [self._compare(name, "eq", value, at)]
        if not value:
            return [self._wrong(at, f"expected at least one operator of {listed([*OPERATORS, *QUANTIFIERS])}")]
        return [self._test(name, operator, operand, (*at, operator)) for operator, operand in value.items()]

    def _test(self, name: str, operator: str, operand: Any, at: Path) -> Node:
        if operator in QUANTIFIERS:
            return Records(at, name, operator, self.condition(operand, at, record=True))
        if operator not in OPERATORS:
            names = [*OPERATORS, *QUANTIFIERS]
            return self._wrong(at, f"unknown operator{did_you_mean(operator, names)}: expected {listed(names)}")
        return self._compare(name, operator, operand, at)

    def _compare(self, name: str, operator: str, operand: Any, at: Path) -> Node:
        literal = self._operand(operand, at)
        kind = OPERATORS[operator]
        expected = kind.accepts(literal)
        if expected is not None:
            return self._wrong(at, f"expected {expected}, not {described(operand)}")
        return Compare(at, name, kind, literal)

    def _operand(self, data: Any, at: Path) -> Any:
        if isinstance(data, Mapping):
            if set(data) == {"ref"} and isinstance(data["ref"], str) and data["ref"]:
                return Ref(data["ref"])
            self._wrong(at, "expected a value or `{ref: <name>}`, not a mapping")
            return None
        if isinstance(data, list):
            return [self._operand(item, (*at, index)) for index, item in enumerate(data)]
        return data

    def _wrong(self, path: Path, message: str) -> Node:
        self.problems.append((path, message))
        return AllOf(path, ())
