"""Lengths of time as the engine reckons with them: `Duration` without the language around it, and compiled."""

from typing import TYPE_CHECKING

from streams.engine.values import add_months

if TYPE_CHECKING:
    from streams.engine.values import Duration


class Span:
    """Calendar months and milliseconds of clock time; `text` is its ISO 8601."""

    __slots__ = ("months", "ms", "text")

    def __init__(self, months: int, ms: int, text: str) -> None:
        self.months = months
        self.ms = ms
        self.text = text

    def after(self, at: int) -> int:
        """The moment so long after `at` (ms)."""
        return at + self.ms if self.months == 0 else add_months(at, self.months) + self.ms


def span_of(duration: "Duration") -> Span:
    """What a duration of the language means."""
    return Span(duration.months, duration.ms, str(duration))
