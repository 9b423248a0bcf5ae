"""`le`: The value is not greater than the operand."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="le",
    doc="The value is not greater than the operand.",
    compile=lambda operand: compile_comparison(operand, operator.le, ordered=True),
    accepts=scalar,
    sql=lambda value, operand: value.compared("<=", operand, ordered=True),
    sign="<=",
)
