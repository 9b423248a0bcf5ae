"""The operators of conditions: one operator, one file, found by discovery.

What all share: a value that is missing or null makes the test false, and so does one of another kind than the
operand, whatever the operator (`ne` and `not_in` too). Only `exists: false` holds for what is missing.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Compiled = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: `compile(operand)` gives a test of values.

    `accepts(operand)` says what was expected if the operand is none, else None. References are not resolved yet then.
    `sign` is Python's for it, if numbers with numbers and strings with strings are compared by it.
    """

    name: str
    doc: str
    compile: Callable[[Any], Compiled]
    accepts: Callable[[Any], str | None]
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


def _discover() -> dict[str, Operator]:
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__) if not info.name.startswith("_"))
    found = (getattr(importlib.import_module(f"{__name__}.{name}"), "OPERATOR", None) for name in modules)
    return {operator.name: operator for operator in found if operator is not None}


OPERATORS: Mapping[str, Operator] = _discover()
