"""Actions: the steps of a campaign. One kind, one file: its parameters, docs, example and code; found by discovery."""

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from streams.engine.definition import Kind
from streams.engine.values import Duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.engine.actions.send import CascadeStep
    from streams.engine.handling import Handling
    from streams.engine.message_plans import MessagePlan
    from streams.engine.script import Step
    from streams.engine.state import Journey
    from streams.engine.waiting import Waiting


class Result(NamedTuple):
    """What becomes of the journey after an action: it ends for a reason, or goes on at `path` (None: done).

    `limit` names the bound that the action met, and that ends the journey.
    """

    path: str | None = None
    ends: str | None = None
    limit: str | None = None


EXITS = Result(ends="exited")


class Message(Protocol):
    """An action that sends a message: one channel after another, until one reaches the member."""

    messaging_type: str
    network: str | None
    expires: Duration | None
    as_: str | None

    @property
    def steps(self) -> "tuple[CascadeStep, ...]":
        """The channels to try, in order."""

    @property
    def poll_id(self) -> str | None:
        """The poll whose questions its template may name."""


class Action(Kind):
    """One step of a campaign: a mapping whose key is its kind."""

    family: ClassVar[str] = "action"

    def blocks(self) -> "Iterator[tuple[str, tuple[Action, ...]]]":
        """The lists of actions inside it, each with its path below the action's own (`.then`, `.split[1].actions`)."""
        yield from ()

    @property
    def waiting(self) -> "Waiting | None":
        """The wait that it is; None for what goes on at once."""
        return None

    @property
    def message(self) -> "MessagePlan | None":
        """The message that it sends; None for what sends none."""
        return None

    def run(self, handling: "Handling", journey: "Journey", step: "Step") -> Result:
        """Do it for the member at hand. Raises nothing: what can't be done leaves a decision.

        Not asked of waits and messages: the engine runs their plans.
        """
        raise NotImplementedError
