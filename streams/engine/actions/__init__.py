"""Actions: the steps of a campaign. One kind, one file: its parameters, docs, example and code; found by discovery."""

from collections.abc import Iterator
from typing import ClassVar

from streams.engine.definition import Kind


class Action(Kind):
    """One step of a campaign: a mapping whose key is its kind."""

    family: ClassVar[str] = "action"

    def blocks(self) -> "Iterator[tuple[str, tuple[Action, ...]]]":
        """The lists of actions inside it, each with its path below the action's own (`.then`, `.split[1].actions`)."""
        yield from ()
