"""What a `wait` does: sets its timer, and is ended by an event (contract §4.3 and fine print "Wait for")."""

from typing import TYPE_CHECKING

from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.local_time import next_local
from streams.engine.spans import Span, span_of
from streams.engine.state import Journey
from streams.engine.view import View

if TYPE_CHECKING:
    from datetime import time

    from streams.engine.actions.wait import Wait
    from streams.engine.conditions.writing import Test

WAIT_TIMER = "wait"


class Waiting:
    """A wait for a length of time (`span`), until a time of day, or for an event with `span` as the time-out."""

    __slots__ = ("event", "message", "on_timeout", "span", "test", "until")

    def __init__(self, wait: "Wait") -> None:
        length = wait.duration if wait.timeout is None else wait.timeout
        match = wait.for_
        self.span: Span | None = None if length is None else span_of(length)
        self.until: time | None = wait.until
        self.event: str | None = None if match is None else match.event
        self.message: str | None = None if match is None else match.of
        self.test: Test | None = None if match is None or match.where is None else match.where.holds
        self.on_timeout: bool = bool(wait.on_timeout)

    def begin(self, handling: Handling, journey: Journey) -> None:
        """Set the timer, if it has one, counted from the journey's `base`."""
        if self.span is not None:
            handling.set_timer(self.span.after(journey.base), WAIT_TIMER, journey.number)
        elif self.until is not None:
            handling.set_timer(next_local(journey.base, self.until, handling.zone), WAIT_TIMER, journey.number)

    def is_answered(self, handling: Handling, journey: Journey, event: Event) -> bool:
        """Whether the event ends the wait."""
        if self.event is None or self.event != event.type or (handling.late and journey.base > event.occurred_at):
            return False
        if self.message is not None and event.body.get("dispatch_id") not in journey.named.get(self.message, ()):
            return False
        return self.test is None or self.test(View(handling, event.body, journey))
