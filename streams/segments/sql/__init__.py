"""Conditions of the campaign language as ClickHouse SQL over the table `profiles`: pure, a condition in, a text out.

`compile_condition` and `compile_audience` write. What an operator means stands beside its Python
(`streams.engine.conditions.operators`), what a name is in the table in `names`, which kinds of values meet in `value`.
"""

from streams.segments.sql.asking import Asking
from streams.segments.sql.compile import Compiled, compile_audience, compile_condition
from streams.segments.sql.value import CannotAskError

__all__ = ["Asking", "CannotAskError", "Compiled", "compile_audience", "compile_condition"]
