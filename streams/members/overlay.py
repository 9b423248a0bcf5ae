"""The members that a batch touches: each loaded once, changed in memory, written once when the batch is committed.

What is in memory of a member is its record. It becomes a state, an object of a hundred others, when it is asked for,
and bytes again once `HOT_MAX` other members have had theirs and another one's turn comes (`member`). A state that
waited for the commit would be out of the processor's caches by then: writing and freeing it took longer than making
it anew does while everything is at hand. Whoever has several events in a row is read once all the same. Records of
members that were committed stay in memory, too, for a while: whoever comes again soon needs no look-up.

The engine changes a state in place. When it raises in the middle, the state is made again from the bytes that it was
made of, and what the member has been through since is repeated: pure functions give the same state, and the happy path
pays nothing for it.
"""

import heapq
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from schemas.codec import Codec
from streams.engine.commands import Command
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.members.emit import Outgoing, encode_commands
from streams.members.engine import Engine
from streams.members.held import Held
from streams.members.record import HELD, MOVED, due_of, pack, state_of
from streams.members.store import PartitionStore

HOT_MAX = 32
"""Members of a partition whose states are objects between two records of the log: these stay in a core's own cache."""
RECENT_BYTES_MAX = 32 * 1024 * 1024
"""Of the records of members kept in memory after a commit."""

Step = Callable[[Any], Sequence[Command | Event]]
"""What the engine does to a state."""


class EngineError(Exception):
    """The engine could not handle a record for a member."""


class Loaded:
    """A member in memory. `due` is when its earliest timer is due, `stored_due` what the index says.

    `state` is made when it is asked for, and noted in `hot`; `steps` are what it has been through since.
    `held` is what waits for a state that is on its way; `moved_to` says whose the state has become part of, if it was
    handed over. `is_changed` says that one of them, or the state before `steps`, isn't as it is stored.
    """

    __slots__ = (
        *("_bytes", "_engine", "_hot", "_state", "due", "encoded", "held", "is_changed", "key", "moved_to", "steps"),
        "stored_due",
    )

    def __init__(self, key: bytes, stored: bytes | None, engine: Engine, hot: "dict[bytes, Loaded]") -> None:
        self.key = key
        self._engine = engine
        self._hot = hot
        self.stored_due = None if stored is None else due_of(stored)
        self.due = self.stored_due
        self.encoded = stored
        self.steps: list[Step] = []
        self.is_changed = False
        self.held: Held | None = None
        self.moved_to: str | None = None
        self._bytes: bytes | None = None  # of the state before the steps
        self._state: Any = None
        if stored is not None:
            self._read(state_of(stored))

    def _read(self, record: bytes) -> None:
        head = record[:1]
        if head == HELD:
            self.held, self._bytes = Held.decode(record[1:])
        elif head == MOVED:
            self.moved_to = record[1:].decode()
        else:
            self._bytes = record

    @property
    def state(self) -> Any:
        """Its state, to be changed by `Overlay.apply` alone. Raises `RekindleError` when this release can't read it."""
        if self._state is None:
            self._state = self._made()
            self._hot[self.key] = self
        return self._state

    def _made(self) -> Any:
        if self._bytes is None:
            return self._engine.new(self.key.decode())
        try:
            return self._engine.decode(self._bytes)
        except msgspec.DecodeError as error:
            raise RekindleError(
                f"the state of member {self.key.decode()} cannot be read ({error}): if a later release wrote it, "
                "only that one or a later one can go on"
            ) from error

    def restore(self) -> None:
        """Make the state again as it was after the last step."""
        self._state = self._made()
        for step in self.steps:
            step(self._state)

    def cool(self) -> None:
        """Keep the bytes of the state alone."""
        self._take_steps()
        self._state = None

    def _take_steps(self) -> None:
        if self.steps:
            self._bytes, self.is_changed = self._engine.encode(self._state), True
            self.steps.clear()

    @property
    def is_waiting(self) -> bool:
        """Whether a state is on its way here: what comes meanwhile waits, and no timer fires."""
        return self.held is not None and self.held.is_waiting

    @property
    def is_known(self) -> bool:
        """Whether anything was ever handled for it."""
        return self._bytes is not None or bool(self.steps)

    def encode(self) -> bytes | None:
        """Write its record; None if there is to be none."""
        self._take_steps()
        if self.moved_to is not None:
            self._bytes, self.encoded = None, pack(None, MOVED + self.moved_to.encode())
        elif self.held is not None:
            self.encoded = pack(self.due, HELD + self.held.encode(self._bytes))
        else:
            self.encoded = None if self._bytes is None else pack(self.due, self._bytes)
        return self.encoded

    def size(self) -> int:
        """Return how many bytes its state has."""
        self._take_steps()
        return len(self._bytes or b"")

    def hand_over(self, into: str | None) -> bytes | None:
        """Give the state away, None if there is none; `into` None leaves no trace of it."""
        self._take_steps()
        state, self._bytes, self._state, self.due = self._bytes, None, None, None
        self.moved_to, self.is_changed = into, True
        return state


class Overlay:
    """The members of one partition that are in memory, over the store that holds all.

    `recent_max`: how many of them stay there after a commit, at most; those that were touched last. So that large
    states don't take the memory of small ones many times over, their records may have `recent_bytes_max` together.
    """

    def __init__(
        self,
        store: PartitionStore,
        engine: Engine,
        codec: Codec,
        recent_max: int = 0,
        recent_bytes_max: int = RECENT_BYTES_MAX,
    ) -> None:
        self._recent_max = recent_max
        self._recent_bytes_max = recent_bytes_max
        self._recent: dict[bytes, bytes] = {}
        self._recent_bytes = 0  # of their records
        self._store = store
        self._codec = codec
        self._engine = engine
        self._members: dict[bytes, Loaded] = {}
        self._hot: dict[bytes, Loaded] = {}  # those whose states are objects, in the order in which they were made
        self._timers: list[tuple[int, bytes]] = []

    def __len__(self) -> int:
        return len(self._members)

    def load(self, keys: Iterable[bytes]) -> None:
        """Load the records of members that aren't in memory yet, all at once."""
        members, engine, hot = self._members, self._engine, self._hot
        missing = []
        for key in dict.fromkeys(keys):
            if key not in members:
                record = self._recent.pop(key, None)
                if record is None:
                    missing.append(key)
                else:
                    self._recent_bytes -= len(record)
                    members[key] = Loaded(key, record, engine, hot)
        for key, stored in zip(missing, self._store.get(missing), strict=True):
            members[key] = Loaded(key, stored, engine, hot)

    def member(self, key: bytes) -> Loaded:
        """Return a member, loaded if need be; whoever holds another's state, an object, must not use it any more."""
        hot = self._hot
        while len(hot) > HOT_MAX:
            hot.pop(next(iter(hot))).cool()
        if key not in self._members:
            self.load([key])
        return self._members[key]

    def apply(self, member: Loaded, step: Step) -> Sequence[Outgoing]:
        """Let the engine change a member and return what it puts out.

        Raises `EngineError`, the member being as before, when the engine or the encoding of what it put out fails.
        """
        state = member.state
        try:
            records = encode_commands(self._codec, step(state))
            due = None if member.is_waiting else state.next_due()
        except RekindleError:  # no fault of the member's: the registry is down
            raise
        except Exception as error:
            member.restore()
            raise EngineError(_what_failed(error)) from error
        member.steps.append(step)
        self._note_due(member, due)
        return records

    def hold(self, member: Loaded, held: Held) -> None:
        """Let a member wait, so that no timer of theirs fires; or wait no more, if nothing is left to wait for."""
        member.held = held if held.is_waiting or held.given_up else None
        held.state_bytes = member.size() if held.is_waiting else 0
        member.is_changed = True
        self._note_due(member, None if member.is_waiting else member.state.next_due())

    def _note_due(self, member: Loaded, due: int | None) -> None:
        if due != member.due:
            member.due = due
            if due is not None:
                heapq.heappush(self._timers, (due, member.key))

    def park(self, member: Loaded) -> None:
        """Take a member whose timers cannot be fired out of the index; its next event brings it back."""
        member.due = None

    def due(self, until: int) -> Iterator[tuple[int, bytes]]:
        """Yield (due, key) of the members due by a time, in order, each once."""
        changed = []
        while self._timers and self._timers[0][0] <= until:
            changed.append(heapq.heappop(self._timers))
        last = None
        for entry in heapq.merge(changed, self._store.due_members(until)):
            due, key = entry
            member = self._members.get(key)
            if entry != last and (member is None or member.due == due):  # else it has been given, or was changed since
                last = entry
                yield entry

    def earliest_due(self) -> int | None:
        """Return when the earliest timer is due once `changes` are stored, None without any."""
        dues = [member.due for member in self._members.values() if member.due is not None]
        others = self._store.earliest_due(but_for=self._members)
        if others is not None:
            dues.append(others)
        return min(dues, default=None)

    def changes(self) -> Iterator[tuple[bytes, bytes | None, int | None]]:
        """Yield key, new record (None: deleted) and the due time of the old one, for every member that changed."""
        for member in self._members.values():
            if member.steps or member.is_changed or member.due != member.stored_due:
                yield member.key, member.encode(), member.stored_due

    def committed(self) -> None:
        """Take note that the store has what `changes` gave."""
        for key, member in self._members.items():
            if member.encoded is not None:
                self._recent[key] = member.encoded
                self._recent_bytes += len(member.encoded)
        self._members = {}
        self._hot.clear()
        self._timers.clear()
        self._let_go()

    def _let_go(self) -> None:
        """Forget those that were touched longest ago, until the others are within the bounds."""
        if len(self._recent) <= self._recent_max and self._recent_bytes <= self._recent_bytes_max:
            return
        for key in list(self._recent):  # the first of a mapping is found slowly once many before it are gone
            self._recent_bytes -= len(self._recent.pop(key))
            if len(self._recent) <= self._recent_max and self._recent_bytes <= self._recent_bytes_max:
                return


def _what_failed(error: Exception) -> str:
    """Say what failed and where, without the error's own words.

    They may hold anything of the member's, and what is said here goes into logs and dead letters, which no erasure of
    what is sealed reaches.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
