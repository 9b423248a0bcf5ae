"""What a gateway is: the way of one channel's messages out of the pipeline.

A gateway says one of five things about a dispatch, by returning or by what it raises; everything else (repetition,
rate, order, statuses, what happens after a crash) is the worker's. A gateway is one module of `sinks.senders.gateways`
with a class `GATEWAY`, and runs through the contract suite in `tests/contracts/test_gateways.py`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar, Self

from streams.engine.commands import Dispatch
from streams.settings import Settings


class GatewayError(Exception):
    """A dispatch was not handed over, as far as is known. `reason` goes into message_failed: no personal data."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Rejected(GatewayError):  # noqa: N818 - names say what the gateway said
    """It will never be taken: the address doesn't exist, the content is refused.

    Of the reasons, those of `streams.engine.addresses.HARD_BOUNCES` end the address: use them for nothing else.
    """


class TryLater(GatewayError):  # noqa: N818
    """The one at hand is not taken now: the recipient's mailbox is full, the address is grey-listed."""


class Unavailable(GatewayError):  # noqa: N818
    """Nothing is taken now: the gateway cannot be reached, or is busy."""


class InDoubt(GatewayError):  # noqa: N818
    """Nobody knows: the connection broke after the message was out and before the answer was in."""


class Gateway(ABC):
    """One way out. Its methods run in one asyncio loop, several hand-overs at a time."""

    channels: ClassVar[frozenset[str] | None] = None
    """The channels that it serves; None for any."""

    concurrency: ClassVar[int] = 16
    """Hand-overs that it does well at a time."""

    @classmethod
    @abstractmethod
    def create(cls, settings: Settings, channel: str) -> Self:
        """Make one for a channel. Raises `RekindleError` for settings that cannot work."""

    async def open(self) -> None:  # noqa: B027 - most need nothing
        """Get ready. Raises `RekindleError` if that can never succeed."""

    async def close(self) -> None:  # noqa: B027
        """Let go of connections and files."""

    @abstractmethod
    async def hand_over(self, dispatch: Dispatch) -> Sequence[str]:
        """Hand one dispatch over; returns once the other side has it for good.

        Returns the types of statuses that are known at once besides message_sent (`message_delivered`), mostly none.
        Raises `Rejected`, `TryLater`, `Unavailable` or `InDoubt`.
        """

    async def find(self, dispatch_ids: Collection[str]) -> frozenset[str] | None:
        """Tell which of these dispatches the other side has, or None if it cannot be asked."""
        del dispatch_ids
        return None
