"""The numbers that a column can hold, and how they compare with a number of any size and precision: exactly.

A column holds some numbers only: whole ones, or those with so many decimals. A comparison can't tell what lies between
two neighbours from either, so the operand is moved onto the column's grid, and ClickHouse compares two values of one
type: nothing is rounded there, and nothing overflows.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from typing_extensions import override

_EXACT = Context(prec=1000)


class Grid(ABC):
    """The numbers of one type of column."""

    @abstractmethod
    def below(self, number: Decimal) -> Any:
        """The greatest that isn't greater than `number`; None if all are."""

    @abstractmethod
    def above(self, number: Decimal) -> Any:
        """The least that isn't less than `number`; None if all are."""

    @abstractmethod
    def literal(self, value: Any) -> str:
        """One of its numbers in SQL."""

    def compared(self, column: str, sign: str, number: Decimal) -> str | None:
        """Whether the column compares so with the number, NULL where the column is; None: never."""
        below, above = self.below(number), self.above(number)
        if sign in {"=", "!="}:
            if below is not None and below == above:
                return f"{column} {sign} {self.literal(below)}"
            return None if sign == "=" else f"{column} IS NOT NULL"
        limit = above if sign in {"<", ">="} else below
        if limit is not None:
            return f"{column} {sign} {self.literal(limit)}"
        return f"{column} IS NOT NULL" if sign in {"<", ">"} else None


@dataclass(frozen=True, slots=True)
class Whole(Grid):
    """Whole numbers of 64 bits."""

    @override
    def below(self, number: Decimal) -> int | None:
        found = min(math.floor(number), _WHOLE_MAX)
        return None if found < -_WHOLE_MAX - 1 else found

    @override
    def above(self, number: Decimal) -> int | None:
        found = max(math.ceil(number), -_WHOLE_MAX - 1)
        return None if found > _WHOLE_MAX else found

    @override
    def literal(self, value: int) -> str:
        return f"toInt64({value})" if value < -_WHOLE_MAX else str(value)


WHOLE = Whole()


@dataclass(frozen=True, slots=True)
class Fixed(Grid):
    """Decimals: so many digits, of which `scale` stand behind the point."""

    digits: int
    scale: int

    @property
    def _greatest(self) -> Decimal:
        return Decimal(10**self.digits - 1).scaleb(-self.scale, _EXACT)

    @override
    def below(self, number: Decimal) -> Decimal | None:
        if number < -self._greatest:
            return None
        return min(number.quantize(Decimal(1).scaleb(-self.scale), ROUND_FLOOR, _EXACT), self._greatest)

    @override
    def above(self, number: Decimal) -> Decimal | None:
        if number > self._greatest:
            return None
        return max(number.quantize(Decimal(1).scaleb(-self.scale), ROUND_CEILING, _EXACT), -self._greatest)

    @override
    def literal(self, value: Decimal) -> str:
        return f"toDecimal{128 if self.digits <= 38 else 256}('{value:f}', {self.scale})"  # noqa: PLR2004 - its digits


MONEY = Fixed(38, 6)
_WHOLE_MAX = 2**63 - 1
