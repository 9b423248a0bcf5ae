"""Frequency caps: at most so many messages in so much time."""

from typing import ClassVar, Literal

from streams.engine.definition import Definition
from streams.engine.values import Count, Period, Text


class FrequencyCap(Definition):
    """At most `max` messages to a member within `per`, rolling.

    Of one channel, or without `channel` of all but receipt and cashier together. Only sent ones count; a dispatch
    counts until exactly `per` after it. One that looks back further than any before it counts from when its programme
    comes into force: what no cap needed was forgotten.
    """

    example: ClassVar[str] = "frequency_caps: [{channel: sms, max: 2, per: P1D, then: suppress}]\n"

    channel: Text | None = None
    """Of which channel; without it, of all but receipt and cashier together."""
    max: Count
    """How many."""
    per: Period
    """In which time, rolling."""
    then: Literal["suppress", "defer"] = "suppress"
    """What becomes of one more: suppressed, or put off until it fits."""
