"""`ne`: The value is of the operand's kind, and another one."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="ne",
    doc="The value is of the operand's kind, and another one.",
    compile=lambda operand: compile_comparison(operand, operator.ne, ordered=False),
    accepts=scalar,
    sql=lambda value, operand: value.compared("!=", operand, ordered=False),
    sign="!=",
)
