"""`between`: The value lies from the first to the second of the operand's, both included."""

import operator
from typing import Any

from streams.engine.conditions.operators import Asked, Compiled, Operator, all_of, never
from streams.engine.conditions.operators._kinds import compile_comparison

_ENDS = 2


def compile_between(operand: Any) -> Compiled:
    """Both ends compare as `ge` and `le` do."""
    if not isinstance(operand, list | tuple) or len(operand) != _ENDS:
        return never
    above = compile_comparison(operand[0], operator.ge, ordered=True)
    below = compile_comparison(operand[1], operator.le, ordered=True)
    return lambda value: above(value) and below(value)


def write_between(value: Asked, operand: Any) -> str:
    """Both ends compare as `ge` and `le` do."""
    if not isinstance(operand, list | tuple) or len(operand) != _ENDS:
        return "0"
    above = value.compared(">=", operand[0], ordered=True)
    return all_of([above, value.compared("<=", operand[1], ordered=True)])


def accepts(operand: Any) -> str | None:
    """A list of two."""
    return None if isinstance(operand, list) and len(operand) == _ENDS else "a list of two values, [lowest, highest]"


OPERATOR = Operator(
    name="between",
    doc="The value lies from the first to the second of the operand's, both included.",
    compile=compile_between,
    accepts=accepts,
    sql=write_between,
)
