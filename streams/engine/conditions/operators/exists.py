"""`exists`: The name has a value that isn't null (`true`), or hasn't (`false`)."""

from typing import Any

from streams.engine.conditions.operators import Compiled, Operator, none_of


def compile_exists(operand: Any) -> Compiled:
    """The only operator that can hold for what is missing."""
    if operand is True:
        return lambda value: value is not None
    return lambda value: value is None


def accepts(operand: Any) -> str | None:
    """A literal true or false."""
    return None if isinstance(operand, bool) else "true or false"


OPERATOR = Operator(
    name="exists",
    doc="The name has a value that isn't null (`true`), or hasn't (`false`).",
    compile=compile_exists,
    accepts=accepts,
    sql=lambda value, operand: value.exists() if operand is True else none_of(value.exists()),
)
