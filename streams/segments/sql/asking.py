"""What a condition is asked in: a programme, and a moment.

The moment is an input, as everywhere: ages, days since, windows and balances are reckoned at it, as the engine reckons
them at a member's clock.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.engine.campaign import Counter, Segment

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from streams.programme.programme import Programme


@dataclass(frozen=True, slots=True)
class Asking:
    """Members as they are at the moment `at` (ms since the epoch), under `programme`."""

    programme: "Programme"
    at: int

    @property
    def zone(self) -> "ZoneInfo":
        """The programme's zone, that of members without one."""
        return self.programme.zone

    @property
    def moment(self) -> str:
        """The moment in SQL, as the table's times are."""
        return f"fromUnixTimestamp64Milli({self.at}, 'UTC')"

    def counter(self, name: str) -> Counter | None:
        """The counter in force under that name."""
        return self.programme.counters.get(name)

    def segment(self, segment_id: str) -> Segment | None:
        """The segment's definition; of one that is gone, the last."""
        return self.programme.segments.get(segment_id) or self.programme.former_segments.get(segment_id)
