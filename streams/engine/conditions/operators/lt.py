"""`lt`: The value is less, earlier, or sooner in the alphabet."""

import operator

from streams.engine.conditions.operators import Operator, scalar
from streams.engine.conditions.operators._kinds import compile_comparison

OPERATOR = Operator(
    name="lt",
    doc="The value is less, earlier, or sooner in the alphabet.",
    compile=lambda operand: compile_comparison(operand, operator.lt, ordered=True),
    accepts=scalar,
    sql=lambda value, operand: value.compared("<", operand, ordered=True),
    sign="<",
)
