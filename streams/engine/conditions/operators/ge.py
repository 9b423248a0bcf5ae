"""`ge`: The value is not less than the operand."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="ge",
    doc="The value is not less than the operand.",
    compile=lambda operand: compile_comparison(operand, operator.ge, ordered=True),
    accepts=scalar,
    sql=lambda value, operand: value.compared(">=", operand, ordered=True),
    sign=">=",
)
