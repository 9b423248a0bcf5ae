"""The engine as this stage sees it: a handful of pure functions, so that a test can put another in its place."""

from collections.abc import Sequence
from typing import Any, Protocol

from streams.engine.commands import Command
from streams.engine.events import Event


class State(Protocol):
    """A member's state; only the engine looks inside."""

    def next_due(self) -> int | None:
        """Return when its earliest timer is due, in milliseconds since the epoch, None without timers."""


class Engine(Protocol):
    """`streams.engine` and `streams.programme`, together."""

    def handle(self, programme: Any, state: Any, event: Event, *, tick_at: int | None) -> Sequence[Command | Event]:
        """Handle an event of the member; `tick_at` is the partition's last tick, which moved every member's clock."""

    def advance(self, programme: Any, state: Any, at: int, *, wall: bool) -> Sequence[Command | Event]:
        """Fire the timers due by a tick."""

    def adopt(self, programme: Any, state: Any, at: int, *, tick_at: int | None) -> Sequence[Command | Event]:
        """Let a programme come into force for a member that exists."""

    def merge(
        self, programme: Any, state: Any, other: Any, at: int, *, historical: bool, tick_at: int | None
    ) -> Sequence[Command | Event]:
        """Make another state part of the member's; the other is to be thrown away."""

    def new(self, key: str) -> Any:
        """Make the state of a member of whom nothing is known."""

    def erased_at(self, state: Any) -> int | None:
        """Return the member's clock (ms) if they were erased, and nothing has come since; else None."""

    def encode(self, state: Any) -> bytes:
        """Write a state."""

    def decode(self, data: bytes) -> Any:
        """Read a state."""

    def lightened(self, data: bytes, bytes_max: int) -> bytes:
        """Return an encoded state without what is too much for so many bytes."""

    def recordless_types(self, programme: Any) -> frozenset[str]:
        """Name the event types that the programme takes without their lists of records."""

    def needs_records(self, state: Any) -> bool:
        """Tell whether the member's state asks for these lists all the same."""

    def load(self, bundles: Sequence[dict[str, str]], number: int) -> Any:
        """Read programme `number`; the last bundle is in force. Without any, it is the one in which nothing happens."""


class RealEngine:
    """The engine that decides in production. Its modules are imported when it is made."""

    def __init__(self) -> None:
        from streams.engine import merging, state, state_bytes, step, weight  # noqa: PLC0415 - the engine takes a second to import
        from streams.programme import looked_at  # noqa: PLC0415

        self.handle = step.handle
        self.advance = step.advance
        self.adopt = step.adopt
        self.merge = merging.merge
        self.new = state.new
        self.encode = state_bytes.encode
        self.decode = state_bytes.decode
        self.lightened = weight.lightened
        self.recordless_types = looked_at.recordless_types
        self.needs_records = looked_at.needs_records
        self.erased_at = step.erased_at

    def load(self, bundles: Sequence[dict[str, str]], number: int) -> Any:
        """Read a programme. Raises `RekindleError` when this release cannot read it."""
        from streams.programme import load  # noqa: PLC0415
        from streams.programme.programme import Definitions, Programme  # noqa: PLC0415

        return load(bundles, number) if bundles else Programme.compile([Definitions()], number)
