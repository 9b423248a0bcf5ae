"""Conditions: parsed once into a small tree, compiled once into closures, tested per event.

`parse` reads the YAML of the contract (§3); `Condition.holds` answers; `Condition.tree` is kept for those who compile
it to something else (SQL) or look names up (lint).
"""

from streams.engine.conditions.condition import MISSING, Condition, View
from streams.engine.conditions.parse import parse

__all__ = ["MISSING", "Condition", "View", "parse"]
