"""Triggers: what starts a journey. One kind, one file: its parameters, docs, example and code; found by discovery."""

from typing import TYPE_CHECKING, ClassVar

from streams.engine.definition import Kind

if TYPE_CHECKING:
    from streams.engine.conditions.writing import Test


class Trigger(Kind):
    """What starts a journey: a mapping whose key is its kind."""

    family: ClassVar[str] = "trigger"

    @property
    def event_type(self) -> str | None:
        """The type of the events that it listens to; None for one that timers or mailings start."""
        return None

    @property
    def test(self) -> "Test | None":
        """Whether an event of its type, as a view shows it, starts a journey; None: every one."""
        return None
