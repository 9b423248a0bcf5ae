"""Which values compare with which, and as what.

Kinds: numbers (never booleans), strings, booleans, dates and times. An operand that is a string compares with dates and
times too, if it reads as one in ISO 8601 (without offset: UTC); a date against a time stands for its first moment in
UTC, as in SQL. Everything else is unlike, and unlike kinds never hold.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

Comparison = Callable[[Any, Any], bool]
NUMBERS = frozenset({int, Decimal, float})
KINDS = {**dict.fromkeys(NUMBERS, NUMBERS), str: frozenset({str})}
"""With which kinds an operand compares by a plain sign; a string that reads as a time needs more."""


def comparable(value: Any) -> tuple[type, Any] | None:
    """(kind, value as that kind compares), None if it can't be compared."""
    kind = type(value)
    if kind in NUMBERS:
        return Decimal, value
    if kind is str or kind is bool:
        return kind, value
    if kind is datetime:
        return datetime, value if value.tzinfo else value.replace(tzinfo=UTC)
    if kind is date:
        return datetime, midnight(value)
    return None


def compile_comparison(operand: Any, compare: Comparison, *, ordered: bool) -> Callable[[Any], bool]:
    """A test of values against the operand; `ordered` when the comparison makes no sense for booleans."""
    kind = type(operand)
    if kind in NUMBERS:
        return lambda value: type(value) in NUMBERS and compare(value, operand)
    if kind is bool:
        return (lambda _: False) if ordered else lambda value: type(value) is bool and compare(value, operand)
    moment = instant(operand)
    if kind is str and moment is None:
        return lambda value: type(value) is str and compare(value, operand)
    if moment is None:
        return lambda _: False

    def holds(value: Any) -> bool:
        if type(value) is str:
            return kind is str and compare(value, operand)
        other = instant(value) if isinstance(value, date) else None
        return other is not None and compare(other, moment)

    return holds


def instant(value: Any) -> datetime | None:
    """The moment that a date, a time or an ISO 8601 string stands for, None for anything else."""
    if type(value) is datetime:
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if type(value) is date:
        return midnight(value)
    if type(value) is not str or len(value) < len("2026-01-01") or not value[0].isdigit():
        return None
    try:
        if len(value) == len("2026-01-01"):
            return midnight(date.fromisoformat(value))
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def midnight(day: date) -> datetime:
    """The first moment of a day in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
