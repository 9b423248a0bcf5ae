"""`award`: accrue bonus points."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from streams.engine.actions import Action
from streams.engine.definition import Definition, described
from streams.engine.values import Count, Duration, Period, Text, exact_number


def _amount(value: Any) -> Decimal:
    number = exact_number(value)
    if number <= 0:
        raise PydanticCustomError("definition", f"expected an amount above 0, not {described(value)}")  # type: ignore[arg-type]
    return number


class Limit(Definition):
    """At most `count` awards of this action to one member within `per`, rolling."""

    count: Count
    per: Period


class Award(Action):
    """Accrue bonus points. `lifetime` counts from their activation, which is at once without `activates_in`."""

    kind: ClassVar[str] = "award"
    example: ClassVar[str] = """\
award: {amount: 300, currency: points, lifetime: P30D, activates_in: P1D, description: Birthday, limit: {count: 1, per: P1Y}}
"""

    amount: Annotated[Decimal, PlainValidator(_amount), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
    currency: Text = "points"
    lifetime: Period | None = None
    activates_in: Duration | None = None
    legal_entity: Text | None = None
    description: Text | None = None
    limit: Limit | None = None
