"""`in`: The value equals one of the operand's."""

import operator
from typing import Any

from streams.engine.conditions.operators import Asked, Compiled, Operator, never, several
from streams.engine.conditions.operators._kinds import compile_comparison


def compile_in(operand: Any) -> Compiled:
    """Strings alone, the commonest list, are looked up in a set."""
    if not isinstance(operand, list | tuple):
        return never
    if all(type(item) is str and not item[:1].isdigit() for item in operand):
        items = frozenset(operand)
        return lambda value: type(value) is str and value in items
    tests = [compile_comparison(item, operator.eq, ordered=False) for item in operand]
    return lambda value: any(test(value) for test in tests)


def write_in(value: Asked, operand: Any) -> str:
    """A reference to a list is one to a field of an event: SQL knows of none."""
    return value.equals_one(operand) if isinstance(operand, list) else "0"


OPERATOR = Operator(
    name="in",
    doc="The value equals one of the operand's.",
    compile=compile_in,
    accepts=several,
    sql=write_in,
)
