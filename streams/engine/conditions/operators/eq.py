"""`eq`: The value equals the operand."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="eq",
    doc="The value equals the operand.",
    compile=lambda operand: compile_comparison(operand, operator.eq, ordered=False),
    accepts=scalar,
    sql=lambda value, operand: value.compared("=", operand, ordered=False),
    sign="==",
)
