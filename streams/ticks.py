"""When ingest writes the time into the log: at most one tick for each committed batch, never an earlier one.

By the wall clock, a tick a second while the inputs are read to their end, so that timers fire on time. While ingest
catches up (after an outage), ticks follow the events' time instead: a tick "now" would fire timers that events still
waiting in the inputs cancel. By the event clock, ticks always follow the events' time, and delivery statuses, which
are stamped by senders that may run behind, never move it.
"""

from dataclasses import dataclass

from streams.engine.events import Tick

PERIOD_MS = 1000


@dataclass(slots=True)
class PartitionTicks:
    """The ticks of one partition. `last` is the latest tick in the log, `seen` the greatest time of its events."""

    wall: bool
    last: int | None = None
    seen: int | None = None

    def saw_event(self, occurred_at: int) -> None:
        """Learn the time of an event that goes into the log."""
        if self.seen is None or occurred_at > self.seen:
            self.seen = occurred_at

    def forwards(self, tick: Tick) -> bool:
        """Tell whether a tick from the control topic may go into the log, and remember it."""
        if self.last is not None and tick.occurred_at < self.last:
            return False
        self.last = tick.occurred_at
        return True

    def due(self, now: int, *, caught_up: bool) -> Tick | None:
        """Return the tick to append now (milliseconds since the epoch), if it is time for one."""
        if not self.wall:
            time, step = self.seen, 1
        elif caught_up:
            time, step = now, PERIOD_MS
        else:
            time, step = (None if self.seen is None else min(self.seen, now)), PERIOD_MS
        if time is None or (self.last is not None and time < self.last + step):
            return None
        return Tick(occurred_at=time, wall=self.wall)
