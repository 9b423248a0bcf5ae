"""Triggers: what starts a journey. One kind, one file: its parameters, docs, example and code; found by discovery."""

from typing import TYPE_CHECKING, ClassVar

from streams.engine.definition import Kind

if TYPE_CHECKING:
    from streams.engine.view import View


class Trigger(Kind):
    """What starts a journey: a mapping whose key is its kind."""

    family: ClassVar[str] = "trigger"

    @property
    def event_type(self) -> str | None:
        """The type of the events that it listens to; None for one that timers or mailings start."""
        return None

    def matches(self, view: "View") -> bool:
        """Whether an event of its type, as `view` shows it, starts a journey."""
        del view
        return True
