"""A gateway in memory, under the contract of the real ones: it can be asked what it has, or it cannot.

What it is given arrives at a counterpart that outlives every process. One that can be asked takes a dispatch once,
however often it comes, as the gateway `file` does; one that cannot takes whatever comes, as a mail server does.
"""

import asyncio
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sinks.senders.gateway import Gateway, GatewayError, InDoubt, Rejected, TryLater, Unavailable
from streams.engine.commands import Dispatch
from streams.settings import Settings


@dataclass
class Counterpart:
    """The other side. `failing` is how often it doesn't simply take what comes, of 1."""

    rng: random.Random
    can_be_asked: bool
    failing: float = 0.0
    arrived: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)  # rejected for good
    doubted: set[str] = field(default_factory=set)  # of which it once gave no answer

    def take(self, dispatch_id: str) -> None:
        """Take a dispatch."""
        if not (self.can_be_asked and dispatch_id in self.arrived):
            self.arrived.append(dispatch_id)

    def draw(self, dispatch_id: str) -> GatewayError | None:
        """Draw what it says instead of taking a dispatch."""
        if dispatch_id in self.refused:
            return Rejected("address_rejected")
        if self.rng.random() >= self.failing:
            return None
        kind = self.rng.randrange(4)
        if kind == 0 and dispatch_id not in self.arrived:
            self.refused.add(dispatch_id)
            return Rejected("address_rejected")
        if kind == 1 and not self.can_be_asked:
            self.doubted.add(dispatch_id)
            if self.rng.random() < 0.5:
                self.take(dispatch_id)
            return InDoubt("in_doubt")
        return TryLater("temporary_failure") if kind == 2 else Unavailable("gateway_unavailable")


class MemoryGateway(Gateway):
    """The way to a counterpart; a dispatch takes up to a second there and back."""

    concurrency = 5

    def __init__(self, counterpart: Counterpart) -> None:
        self._counterpart = counterpart

    @classmethod
    def create(cls, settings: Settings, channel: str) -> "MemoryGateway":
        """Make one with a counterpart of its own."""
        return cls(Counterpart(random.Random(0), can_be_asked=True))

    async def hand_over(self, dispatch: Dispatch) -> Sequence[str]:
        """Hand over, or raise what the counterpart says."""
        await self._travel()
        error = self._counterpart.draw(dispatch.dispatch_id)
        if error is None:
            self._counterpart.take(dispatch.dispatch_id)
        await self._travel()
        if error is not None:
            raise error
        return ()

    async def find(self, dispatch_ids: Collection[str]) -> frozenset[str] | None:
        """Tell what has arrived, or that it cannot be asked."""
        if not self._counterpart.can_be_asked:
            return None
        return frozenset(dispatch_ids) & frozenset(self._counterpart.arrived)

    async def _travel(self) -> None:
        await asyncio.sleep(self._counterpart.rng.choice((0.0, 0.005, 0.5)))
