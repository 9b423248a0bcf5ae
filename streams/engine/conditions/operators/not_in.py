"""`not_in`: The value is of the kind of one of the operand's, and equals none of them."""

import operator
from typing import Any

from streams.engine.conditions.operators import Asked, Compiled, Operator, all_of, any_of, never, none_of, several
from streams.engine.conditions.operators._kinds import compile_comparison, instant


def compile_not_in(operand: Any) -> Compiled:
    """Of an empty list, everything that isn't missing is out."""
    if not isinstance(operand, list | tuple):
        return never
    equal = [compile_comparison(item, operator.eq, ordered=False) for item in operand]
    unequal = [compile_comparison(item, operator.ne, ordered=False) for item in operand]

    def holds(value: Any) -> bool:
        if any(test(value) for test in equal):
            return False
        return any(test(value) for test in unequal) if unequal else value is not None

    return holds


def write_not_in(value: Asked, operand: Any) -> str:
    """A reference to a list is one to a field of an event: SQL knows of none.

    A value that equals none of them is unequal to all of its kind, so one of each kind tells whether there is any.
    """
    if not isinstance(operand, list):
        return "0"
    of_each_kind = {(type(item), instant(item) is None, getattr(item, "name", None)): item for item in operand}
    unequal = any_of(value.compared("!=", item, ordered=False) for item in of_each_kind.values())
    return all_of([none_of(value.equals_one(operand)), unequal if operand else value.exists()])


OPERATOR = Operator(
    name="not_in",
    doc="The value is of the kind of one of the operand's, and equals none of them.",
    compile=compile_not_in,
    accepts=several,
    sql=write_not_in,
)
