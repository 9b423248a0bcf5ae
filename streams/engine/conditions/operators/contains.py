"""`contains`: A string has the operand in it; a list has an element that equals it."""

import operator
from typing import Any

from streams.engine.conditions.operators import Compiled, Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison


def compile_contains(operand: Any) -> Compiled:
    """A string looks for a string; a list compares its elements with the operand."""
    equal = compile_comparison(operand, operator.eq, ordered=False)

    def holds(value: Any) -> bool:
        if type(value) is str:
            return type(operand) is str and operand in value
        return isinstance(value, list | tuple) and any(equal(item) for item in value)

    return holds


OPERATOR = Operator(
    name="contains",
    doc="A string has the operand in it; a list has an element that equals it.",
    compile=compile_contains,
    accepts=scalar,
    sql=lambda value, operand: value.contains(operand),
)
