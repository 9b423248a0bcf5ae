"""The operators of conditions: one operator, one file, found by discovery.

What all share: a value that is missing or null makes the test false, and so does one of another kind than the
operand, whatever the operator (`ne` and `not_in` too). Only `exists: false` holds for what is missing.

An operator says what it means twice: as a test of a value in Python, and as an expression of SQL over the members'
table, made of the few comparisons that `Asked` has. `streams.segments.sql` knows how a value is asked for there, and
`tests/properties/test_segment_sql.py` that both mean the same.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Compiled = Callable[[Any], bool]


class Asked(Protocol):
    """A value as SQL asks for it. Each answer is an expression that is 1 or 0 for every member, never NULL."""

    def compared(self, sign: str, operand: Any, *, ordered: bool) -> str:
        """Whether it compares so with the operand; `ordered` when that makes no sense for booleans."""

    def equals_one(self, operands: Sequence[Any]) -> str:
        """Whether it equals one of them."""

    def starts_with(self, operand: Any) -> str:
        """Whether it is a string that begins with the operand."""

    def contains(self, operand: Any) -> str:
        """Whether it is a string with the operand in it."""

    def exists(self) -> str:
        """Whether it isn't missing."""


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: `compile(operand)` gives a test of values.

    `accepts(operand)` says what was expected if the operand is none, else None. References are not resolved yet then.
    `sql(value, operand)` is the same test in SQL; references stand in the operand as they are.
    `sign` is Python's for it, if numbers with numbers and strings with strings are compared by it.
    """

    name: str
    doc: str
    compile: Callable[[Any], Compiled]
    accepts: Callable[[Any], str | None]
    sql: Callable[[Asked, Any], str]
    sign: str | None = None


def scalar(operand: Any) -> str | None:
    """Accepts one value."""
    return "one value" if isinstance(operand, list) else None


def several(operand: Any) -> str | None:
    """Accepts a list, or a reference to one."""
    return None if isinstance(operand, list) or type(operand).__name__ == "Ref" else "a list of values"


def never(_: Any) -> bool:
    """The test that nothing passes."""
    return False


def all_of(tests: Iterable[str]) -> str:
    """Expressions of SQL, all of which must hold; so of none."""
    found = [test for test in tests if test != "1"]
    return "0" if "0" in found else _joined(found, " AND ") or "1"


def any_of(tests: Iterable[str]) -> str:
    """Expressions of SQL, one of which must hold; not so of none."""
    found = [test for test in tests if test != "0"]
    return "1" if "1" in found else _joined(found, " OR ") or "0"


def none_of(test: str) -> str:
    """An expression of SQL that must not hold."""
    return {"0": "1", "1": "0"}.get(test) or f"NOT ({test})"


def _joined(tests: list[str], word: str) -> str:
    return f"({word.join(tests)})" if len(tests) > 1 else "".join(tests)


def _discover() -> dict[str, Operator]:
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    found = (getattr(importlib.import_module(f"{__name__}.{name}"), "OPERATOR", None) for name in modules)
    return {operator.name: operator for operator in found if operator is not None}


OPERATORS: Mapping[str, Operator] = _discover()
