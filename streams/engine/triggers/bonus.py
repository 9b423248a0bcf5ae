"""`bonus`: points that are about to activate or expire."""

from decimal import Decimal
from typing import ClassVar, Self

from pydantic import model_validator

from streams.engine.definition import invalid
from streams.engine.triggers import Trigger
from streams.engine.values import Duration, LocalTime, Number, Text


class BonusTrigger(Trigger):
    """Points of one currency activate, or expire, in the stated time.

    One notice per member and day of the programme's zone. It comes the stated time before the day's first of them or,
    with `at`, so much before that day at that time of the member. Below `minimum` it doesn't come. The event has
    `amount` and `currency`.
    """

    kind: ClassVar[str] = "bonus"
    example: ClassVar[str] = 'bonus: {expires_in: P3D, minimum: 100, currency: points, at: "10:00"}\n'
    shown_given: ClassVar[str] = """\
- {type: bonus_accrued, occurred_at: 2026-03-02T12:00:00Z, accrual_id: "1", amount: 80, currency: points,
   activates_at: 2026-03-02T12:00:00Z, expires_at: 2026-04-20T15:00:00Z}
- {type: bonus_accrued, occurred_at: 2026-03-09T12:00:00Z, accrual_id: "2", amount: 50, currency: points,
   activates_at: 2026-03-09T12:00:00Z, expires_at: 2026-04-20T18:00:00Z}
"""

    activates_in: Duration | None = None
    """So long before points become active."""
    expires_in: Duration | None = None
    """So long before points expire."""
    minimum: Number = Decimal(0)
    """From which sum on it is worth a notice."""
    currency: Text = "points"
    """Which points."""
    at: LocalTime | None = None
    """At which time of the member's day; without it, to the minute."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.activates_in is None) == (self.expires_in is None):
            raise invalid([(("expires_in",), "expected exactly one of `activates_in` and `expires_in`")])
        return self
