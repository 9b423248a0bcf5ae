"""`award`: accrue bonus points."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import override

from streams.engine import commands
from streams.engine.actions import Action, Result
from streams.engine.definition import Definition, described
from streams.engine.handling import Handling
from streams.engine.script import Step
from streams.engine.sending import step_id
from streams.engine.state import Journey
from streams.engine.values import Count, Duration, Period, Text, exact_number

_AMOUNT_LIMIT = Decimal(10) ** 12
_AMOUNT_PLACES = 6


def _amount(value: Any) -> Decimal:
    """An amount as the award's record has it: decimal(18, 6)."""
    number = exact_number(value)
    if not number < _AMOUNT_LIMIT:
        raise PydanticCustomError("definition", f"expected at most 12 digits before the point, not {described(value)}")
    rounded = round(number, _AMOUNT_PLACES)
    if rounded <= 0:
        raise PydanticCustomError("definition", f"expected an amount above 0, not {described(value)}")
    return number if number == rounded else rounded


class Limit(Definition):
    """At most `count` awards of this action to one member within `per`, rolling."""

    count: Count
    """How many."""
    per: Period
    """In which time, rolling."""


class Award(Action):
    """Accrue bonus points. `lifetime` counts from their activation, which is at once without `activates_in`."""

    kind: ClassVar[str] = "award"
    example: ClassVar[str] = """\
award: {amount: 300, currency: points, lifetime: P30D, description: Birthday, limit: {count: 1, per: P1Y}}
"""

    amount: Annotated[Decimal, PlainValidator(_amount), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]
    """How many points, rounded to six decimals; `amount` in the templates that follow."""
    currency: Text = "points"
    """Which points."""
    lifetime: Period | None = None
    """How long they can be spent, from their activation; without it, for ever."""
    activates_in: Duration | None = None
    """How long until they can be spent; without it, at once."""
    legal_entity: Text | None = None
    """Who pays for them, for the ledger."""
    description: Text | None = None
    """What the member reads in the account."""
    limit: Limit | None = None
    """How often at most; beyond it the award is suppressed with `award_limit` and the journey goes on."""

    @override
    def run(self, handling: Handling, journey: Journey, step: Step) -> Result:
        state, now = handling.state, handling.now
        if self.limit is not None:
            place = f"{journey.campaign}/{step.path}"
            given = [at for at in state.awarded.get(place, ()) if self.limit.per.after(at) > now]
            if len(given) >= self.limit.count:
                handling.decide(journey.campaign, journey.version, step.path, "suppressed", "award_limit")
                return Result(step.next)
            state.awarded[place] = [*given, now]
        activates_at = now if self.activates_in is None else self.activates_in.after(now)
        handling.output.append(
            commands.Award(
                at=now,
                award_id=step_id(handling, journey, step.path),
                member_id=state.key,
                campaign=journey.campaign,
                version=journey.version,
                action=step.path,
                amount=self.amount,
                currency=self.currency,
                activates_at=activates_at,
                expires_at=None if self.lifetime is None else self.lifetime.after(activates_at),
                legal_entity=self.legal_entity,
                description=self.description,
            )
        )
        journey.amount = self.amount
        return Result(step.next)
