"""`event`: an event of a type."""

from typing import Any, ClassVar

from typing_extensions import override

from streams.engine.conditions import Condition
from streams.engine.conditions.writing import Test
from streams.engine.matching import with_own_segment
from streams.engine.triggers import Trigger
from streams.engine.values import Text


class EventTrigger(Trigger):
    """An event of the type, of which `where` holds if it is stated."""

    kind: ClassVar[str] = "event"
    beside: ClassVar[bool] = True
    example: ClassVar[str] = "event: purchase_completed\nwhere: {total: {ge: 1000}}\n"
    shown_given: ClassVar[str] = """\
- {type: purchase_completed, occurred_at: 2026-03-02T12:00:00Z, total: 999.9}
- {type: purchase_completed, occurred_at: 2026-03-05T12:00:00Z, total: 1000}
"""

    event: Text
    """The type of event, see [events](events.md)."""
    where: Condition | None = None
    """What must hold of it, and of the member."""

    @classmethod
    @override
    def read(cls, data: Any) -> Any:
        return with_own_segment(data)

    @property
    def event_type(self) -> str | None:
        """The type that it names."""
        return self.event

    @property
    def test(self) -> Test | None:
        """Whether `where` holds."""
        return None if self.where is None else self.where.holds
