"""The quick way through a condition, for machine code: what most conditions consist of, as a few classes.

A condition is a function of Python's own (`streams.engine.conditions.writing`), which is the quickest that Python can
do; but machine code pays more to call it than for the test itself. So comparisons of names with literals, alone, joined
by `all` or asked of a list's records, are taken over here, as they are meant there; every other condition is called. In
plain Python all are: there the function is quicker.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from streams.compiled import is_compiled
from streams.engine.conditions.nodes import AllOf, Compare, refs
from streams.engine.conditions.operators._kinds import KINDS, instant
from streams.engine.conditions.records import QUANTIFIERS, Records
from streams.engine.view import View

if TYPE_CHECKING:
    from streams.engine.conditions.condition import Condition, Node
    from streams.engine.conditions.writing import Test

_EQ: Final = 0
_NE: Final = 1
_LT: Final = 2
_LE: Final = 3
_GT: Final = 4
_GE: Final = 5
_SIGNS: Final = {"==": _EQ, "!=": _NE, "<": _LT, "<=": _LE, ">": _GT, ">=": _GE}


class Asked:
    """A condition to be asked of views."""

    __slots__ = ("_test",)

    def __init__(self, test: "Test") -> None:
        self._test = test

    def holds(self, view: View) -> bool:
        """Whether it holds."""
        return self._test(view)


class _Comparison:
    """A name, a sign and a literal; of other kinds than the literal's nothing holds."""

    __slots__ = ("_dotted", "_kinds", "_name", "_operand", "_sign")

    def __init__(self, name: str, sign: str, operand: Any) -> None:
        self._name = name
        self._dotted = "." in name
        self._kinds: frozenset[type] = KINDS[type(operand)]
        self._sign: int = _SIGNS[sign]
        self._operand = operand

    def of(self, body: Mapping[str, Any], view: View) -> bool:
        value = view.value(self._name) if self._dotted else body.get(self._name)
        return self.accepts(value)

    def of_record(self, record: Any) -> bool:
        return self.accepts(record.get(self._name))

    def accepts(self, value: Any) -> bool:
        if type(value) not in self._kinds:
            return False
        sign = self._sign
        if sign == _EQ:
            return bool(value == self._operand)
        if sign == _GE:
            return bool(value >= self._operand)
        if sign == _GT:
            return bool(value > self._operand)
        if sign == _LE:
            return bool(value <= self._operand)
        if sign == _LT:
            return bool(value < self._operand)
        return bool(value != self._operand)


class _Comparisons(Asked):
    """Comparisons that must all hold."""

    __slots__ = ("_parts",)

    def __init__(self, test: "Test", parts: list[_Comparison]) -> None:
        super().__init__(test)
        self._parts = parts

    @override
    def holds(self, view: View) -> bool:
        for part in self._parts:  # noqa: SIM110 - not a generator: it is asked for every event
            if not part.of(view.body, view):
                return False
        return True


class _Records(Asked):
    """Comparisons asked of a list's records."""

    __slots__ = ("_found", "_name", "_parts", "_until")

    def __init__(self, test: "Test", name: str, quantifier: str, parts: list[_Comparison]) -> None:
        super().__init__(test)
        self._name = name
        self._until: bool = QUANTIFIERS[quantifier].until
        self._found: bool = QUANTIFIERS[quantifier].found
        self._parts = parts

    @override
    def holds(self, view: View) -> bool:
        records = view.body.get(self._name)
        if not isinstance(records, list):
            return self._test(view)
        for record in records:
            holds = True
            for part in self._parts:
                if not part.of_record(record):
                    holds = False
                    break
            if holds == self._until:
                return self._found
        return not self._found


def asked(condition: "Condition") -> Asked:
    """The condition as this process asks it quickest."""
    return quickly(condition) if is_compiled() else Asked(condition.holds)


def quickly(condition: "Condition") -> Asked:
    """The condition taken apart, as far as it can be."""
    tree = condition.tree
    if isinstance(tree, Records) and "." not in tree.name:
        parts = _comparisons(tree.part)
        if parts is not None and not any("." in part.name for part in _compares(tree.part)):
            return _Records(condition.holds, tree.name, tree.quantifier, parts)
    parts = _comparisons(tree)
    return Asked(condition.holds) if parts is None else _Comparisons(condition.holds, parts)


def _comparisons(tree: "Node") -> list[_Comparison] | None:
    """The comparisons that must all hold; None if the tree has something else."""
    found: list[_Comparison] = []
    for node in _compares(tree):
        if not _is_plain(node):
            return None
        found.append(_Comparison(node.name, node.operator.sign or "", node.operand))
    return found if isinstance(tree, Compare) or (isinstance(tree, AllOf) and len(found) == len(tree.parts)) else None


def _compares(tree: "Node") -> list[Compare]:
    nodes = tree.parts if isinstance(tree, AllOf) else (tree,)
    return [node for node in nodes if isinstance(node, Compare)]


def _is_plain(node: Compare) -> bool:
    """Whether it compares by Python's own sign: the same that makes `Compare.write` do so."""
    plain = node.operator.sign in _SIGNS and type(node.operand) in KINDS and not any(True for _ in refs(node.operand))
    return plain and instant(node.operand) is None
