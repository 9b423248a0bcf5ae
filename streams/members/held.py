"""A member to whom a state is on its way: what comes for them meanwhile waits, and is handled when it has come.

A stranger's state lies in another partition than the member's whom it becomes part of (`StateMoved`). Other members go
on; of this one, records are kept in their order, each with the last tick that its partition had by then, and no timer
fires. When the state has come (`StateHandedOver`), they are handled as if there had been no wait: so what is decided
depends on where the records stand in the log and not on when the state came. Pure; the members stage keeps it in the
member's record, `simulate` in memory.

Bounded: a member for whom more than `KEPT_MAX` records is kept, or whose own state, kept records and states that came
have more than `BYTES_MAX` together, waits no longer. It is remembered what was waited for: that becomes part of the
member when it comes. Anything else that comes has come before.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

import msgspec

from streams.members.record import HELD, MOVED

KEPT_MAX = 1_000
BYTES_MAX = 900_000
"""All of it is one record of the changelog: this much Kafka takes by default."""


class Awaited(msgspec.Struct, array_like=True, tag="a", gc=False):
    """Here a state becomes part of the member's, at `at` (ms). `tick_at`: the partition's last tick by then (ms)."""

    move_id: str
    gone: str
    into: str
    at: int
    historical: bool
    tick_at: int | None


class Kept(msgspec.Struct, array_like=True, tag="k", gc=False):
    """A record of the log: its bytes in the members stage, the record itself in `simulate`."""

    offset: int
    value: Any
    tick_at: int | None


class Adopted(msgspec.Struct, array_like=True, tag="p", gc=False):
    """Here programme `programme` comes into force, at `at` (ms)."""

    programme: int
    at: int
    tick_at: int | None


Item = Awaited | Kept | Adopted
Ready = tuple[Item, bytes | None]
"""An item whose turn it is; with an `Awaited` the state that came, None if there was none."""


class Held:
    """What waits for a member. `programme` is the number of the one that is in force for them.

    `state_bytes` is how large their own state is; `simulate`, which keeps no bytes, leaves it at 0.
    """

    __slots__ = ("_arrived", "_bytes", "_items", "given_up", "programme", "state_bytes")

    def __init__(self, programme: int) -> None:
        self.programme = programme
        self.given_up: list[str] = []  # moves whose state isn't waited for any more
        self._items: deque[Item] = deque()
        self._arrived: dict[str, bytes | None] = {}
        self._bytes = 0  # of kept records and of states that came
        self.state_bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits."""
        return bool(self._items)

    @property
    def is_full(self) -> bool:
        """Whether it waits for too long."""
        return len(self._items) > KEPT_MAX or self._bytes + self.state_bytes > BYTES_MAX

    def awaits(self, gone: str, into: str | None = None) -> bool:
        """Tell whether the state of this key is waited for; as what was to become part of `into`, if that is named."""
        return any(
            isinstance(item, Awaited) and item.gone == gone and into in (None, item.into) for item in self._items
        )

    def add(self, item: Item) -> None:
        """Put an item to the end."""
        self._items.append(item)
        if isinstance(item, Kept) and isinstance(item.value, bytes):
            self._bytes += len(item.value)

    def arrive(self, move_id: str, state: bytes | None) -> bool:
        """Take the state that was waited for; False if none of this name is."""
        if not any(isinstance(item, Awaited) and item.move_id == move_id for item in self._items):
            return False
        self._bytes += len(state or b"") - len(self._arrived.get(move_id) or b"")
        self._arrived[move_id] = state
        return True

    def take_ready(self) -> Iterator[Ready]:
        """Take items whose turn it is, up to the first state that hasn't come; all of them once it is full."""
        gives_up = self.is_full
        while self._items:
            item = self._items[0]
            state = None
            if isinstance(item, Awaited):
                if item.move_id not in self._arrived:
                    if not gives_up:
                        return
                    self.given_up.append(item.move_id)
                state = self._arrived.pop(item.move_id, None)
                self._bytes -= len(state or b"")
            self._items.popleft()
            if isinstance(item, Kept) and isinstance(item.value, bytes):
                self._bytes -= len(item.value)
            yield item, state

    def drop(self) -> Iterator[tuple[Item, bytes | None, bool]]:
        """Take all that waits, whatever hasn't come: each with the state that has, and whether it has."""
        while self._items:
            item = self._items.popleft()
            has_come = isinstance(item, Awaited) and item.move_id in self._arrived
            yield item, self._arrived.get(item.move_id) if isinstance(item, Awaited) else None, has_come
        self._arrived.clear()
        self._bytes = 0

    def encode(self, state: bytes | None) -> bytes:
        """Write what waits, and the member's own state."""
        return _encode([self.programme, list(self._items), self._arrived, self.given_up, state])

    @staticmethod
    def decode(data: bytes) -> tuple["Held", bytes | None]:
        """Read what `encode` wrote. Raises `msgspec.DecodeError`."""
        programme, items, arrived, given_up, state = _decode(data)
        held = Held(programme)
        held.given_up = given_up
        for item in items:
            held.add(item)
        for move_id, other in arrived.items():
            held.arrive(move_id, other)
        held.state_bytes = len(state or b"")
        return held, state


def own_state(record: bytes) -> bytes | None:
    """The state in a member's record (behind the due time), whether they wait or not; None if there is none here."""
    if record[:1] == MOVED:
        return None
    return Held.decode(record[1:])[1] if record[:1] == HELD else record


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, list[Item], dict[str, bytes | None], list[str], bytes | None]).decode
