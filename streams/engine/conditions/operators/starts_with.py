"""`starts_with`: A string begins with the operand."""

from typing import Any

from streams.engine.conditions.operators import Compiled, Operator, never


def compile_starts_with(operand: Any) -> Compiled:
    """Only strings begin with something."""
    if type(operand) is not str:
        return never
    return lambda value: type(value) is str and value.startswith(operand)


def accepts(operand: Any) -> str | None:
    """A string, or a reference to one."""
    return None if isinstance(operand, str) or type(operand).__name__ == "Ref" else "a string"


OPERATOR = Operator(
    name="starts_with",
    doc="A string begins with the operand.",
    compile=compile_starts_with,
    accepts=accepts,
    sql=lambda value, operand: value.starts_with(operand),
)
