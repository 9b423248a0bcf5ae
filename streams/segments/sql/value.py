"""A value of the campaign language as SQL asks for it: one expression for each kind that it may be of.

What a name stands for may differ from member to member: an attribute is a text here, a number there. So a value has a
facet for each kind, NULL where the member's is of another or missing, and an operand meets those of its own kind alone
(the engine's rule: unlike kinds never hold). Comparisons with NULL are made false at once, so that nothing above, a
`not` least of all, meets SQL's third truth value.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

from streams.engine.conditions.nodes import Ref
from streams.engine.conditions.operators import any_of
from streams.engine.conditions.operators._kinds import instant
from streams.segments.sql import literals
from streams.segments.sql.grids import WHOLE, Grid


class CannotAskError(ValueError):
    """A condition that SQL can't express; the message names what of it."""


class Kind(Enum):
    """What compares with what (`streams.engine.conditions.operators._kinds`)."""

    TEXT = 1
    NUMBER = 2
    TRUTH = 3
    MOMENT = 4


@dataclass(frozen=True, slots=True)
class Facet:
    """A value as one kind: `sql` is NULL where it is none, if `nullable`.

    Numbers are of a grid; of moments `sql` counts units of `unit_us` microseconds since the epoch.
    """

    kind: Kind
    sql: str
    nullable: bool = True
    grid: Grid = WHOLE
    unit_us: int = 1


def text(sql: str, *, nullable: bool = True) -> Facet:
    """A text."""
    return Facet(Kind.TEXT, sql, nullable)


def number(sql: str, grid: Grid, *, nullable: bool = True) -> Facet:
    """A number of that grid."""
    return Facet(Kind.NUMBER, sql, nullable, grid)


def truth(sql: str) -> Facet:
    """True or false."""
    return Facet(Kind.TRUTH, sql)


def moment(sql: str, unit_us: int) -> Facet:
    """A date or time: whole units since the epoch."""
    return Facet(Kind.MOMENT, sql, unit_us=unit_us)


@dataclass(frozen=True, slots=True)
class Value:
    """What a name stands for; without facets it is missing for everyone. `look_up` tells what references stand for."""

    name: str
    facets: tuple[Facet, ...]
    look_up: "Callable[[str], Value]"

    def compared(self, sign: str, operand: Any, *, ordered: bool) -> str:
        """Whether it compares so with the operand: 1 or 0."""
        if isinstance(operand, Ref):
            return any_of(self._with(self.look_up(operand.name), sign, ordered=ordered))
        return any_of(self._with_literal(sign, operand, ordered=ordered))

    def equals_one(self, operands: Sequence[Any]) -> str:
        """Whether it equals one of them; texts, which may be thousands, stand in one list."""
        texts = list(dict.fromkeys(each for each in operands if isinstance(each, str)))
        others = [each for each in operands if not isinstance(each, str) or instant(each) is not None]
        listed = (f"ifNull({facet.sql} IN {literals.texts(texts)}, 0)" for facet in self.of(Kind.TEXT) if texts)
        return any_of([*listed, *(self.compared("=", each, ordered=False) for each in others)])

    def starts_with(self, operand: Any) -> str:
        """Whether it is a text that begins with the operand."""
        return any_of(f"ifNull(startsWith({text}, {other}), 0)" for text, other in self._texts(operand))

    def contains(self, operand: Any) -> str:
        """Whether it is a text with the operand in it; members have no lists."""
        return any_of(f"ifNull(position({text}, {other}) > 0, 0)" for text, other in self._texts(operand))

    def exists(self) -> str:
        """Whether it isn't missing."""
        return any_of(f"{facet.sql} IS NOT NULL" if facet.nullable else "1" for facet in self.facets)

    def of(self, kind: Kind) -> tuple[Facet, ...]:
        """Its facets of that kind."""
        return tuple(facet for facet in self.facets if facet.kind is kind)

    def _texts(self, operand: Any) -> Iterator[tuple[str, str]]:
        """Each text that it may be, with each that the operand may be."""
        others: list[str] = [literals.text(operand)] if isinstance(operand, str) else []
        if isinstance(operand, Ref):
            others = [facet.sql for facet in self.look_up(operand.name).of(Kind.TEXT)]
        for facet in self.of(Kind.TEXT):
            for other in others:
                yield facet.sql, other

    def _with_literal(self, sign: str, operand: Any, *, ordered: bool) -> Iterator[str]:
        if isinstance(operand, bool):
            for facet in () if ordered else self.of(Kind.TRUTH):
                yield _test(facet, f"{facet.sql} {sign} {int(operand)}")
        elif isinstance(operand, int | Decimal | float):
            exactly = operand if isinstance(operand, Decimal) else Decimal(operand)
            for facet in self.of(Kind.NUMBER):
                yield _test(facet, facet.grid.compared(facet.sql, sign, exactly))
        elif isinstance(operand, str):
            for facet in self.of(Kind.TEXT):
                yield _test(facet, f"{facet.sql} {sign} {literals.text(operand)}")
        since = instant(operand)
        if since is not None:
            us = Decimal((since - _EPOCH) // timedelta(microseconds=1))
            for facet in self.of(Kind.MOMENT):
                yield _test(facet, WHOLE.compared(facet.sql, sign, us / facet.unit_us))

    def _with(self, other: "Value", sign: str, *, ordered: bool) -> Iterator[str]:
        for facet in self.facets:
            for theirs in other.facets:
                if facet.kind is Kind.MOMENT and theirs.kind is Kind.TEXT:
                    raise CannotAskError(
                        f"`{self.name}` is compared with `{other.name}`, a text that may read as a time: "
                        "that can't be asked in SQL"
                    )
                if facet.kind is not theirs.kind or (ordered and facet.kind is Kind.TRUTH):
                    continue
                if facet.kind is Kind.MOMENT:
                    test = f"{facet.sql} * {facet.unit_us} {sign} {theirs.sql} * {theirs.unit_us}"
                else:
                    test = f"{facet.sql} {sign} {theirs.sql}"
                yield f"ifNull({test}, 0)"


def _test(facet: Facet, test: str | None) -> str:
    """The comparison of a facet with what isn't NULL; false where the facet is."""
    if test is None:
        return "0"
    if test.endswith("IS NOT NULL"):
        return test if facet.nullable else "1"
    return f"ifNull({test}, 0)" if facet.nullable else test


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
