"""`gt`: The value is greater, later, or further in the alphabet."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="gt",
    doc="The value is greater, later, or further in the alphabet.",
    compile=lambda operand: compile_comparison(operand, operator.gt, ordered=True),
    accepts=scalar,
    sql=lambda value, operand: value.compared(">", operand, ordered=True),
    sign=">",
)
