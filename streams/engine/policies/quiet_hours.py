"""Quiet hours: times of the member's day at which nothing is sent."""

from datetime import time
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from streams.engine.definition import Definition, invalid
from streams.engine.values import LocalTime


class QuietHours(Definition):
    """From `from` (inside) to `to` (outside) in the member's zone a message is put off to `to`, or suppressed.

    Receipt and cashier are exempt, and so are messaging types that say so.
    """

    example: ClassVar[str] = 'quiet_hours: {from: "21:00", to: "09:00", then: defer}\n'

    from_: LocalTime = Field(alias="from")
    """When they begin; that moment is inside."""
    to: LocalTime
    """When they end; that moment is outside."""
    then: Literal["defer", "suppress"] = "defer"
    """What becomes of a message: put off to the end, or suppressed."""

    @model_validator(mode="after")
    def _not_always(self) -> Self:
        if self.from_ == self.to:
            raise invalid([(("to",), "must differ from `from`")])
        return self

    def cover(self, local: time) -> bool:
        """Whether the local time of day is inside."""
        if self.from_ < self.to:
            return self.from_ <= local < self.to
        return local >= self.from_ or local < self.to
