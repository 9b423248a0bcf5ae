"""`date`: a day of the member's year."""

from typing import ClassVar

from streams.engine.triggers import Trigger
from streams.engine.values import LocalTime, Offset, Text


class DateTrigger(Trigger):
    """Yearly, on a date of the profile (or `registered_at`), at a time of the member's zone.

    `offset` moves it (`-P3D`: three days before). 29 February counts as 28 February in other years.
    """

    kind: ClassVar[str] = "date"
    beside: ClassVar[bool] = True
    example: ClassVar[str] = 'date: birth_date\nat: "10:00"\noffset: -P3D\n'
    shown_given: ClassVar[str] = "[]"

    date: Text
    """`birth_date`, `registered_at` or `attributes.<name>`."""
    at: LocalTime
    """At which time of the member's day."""
    offset: Offset | None = None
    """How much later, or with a minus sooner."""
