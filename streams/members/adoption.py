"""A programme that comes into force where more members are than may hold up the others, until all of them have it.

A programme concerns every member who is there, and members are independent of each other. So in a partition with many
of them its adoption stays *open*: its place in the log is passed, other members' events are handled, and in between the
members adopt it in portions, in order of their keys. A member's own order is kept: whoever is touched before their turn
(an event, a move, a timer that is due) adopts it then and there, as if that had been done where it stands in the log.

Up to the last key of the last portion everyone has adopted it. Behind it, those who were touched have, or weren't there
when it came: their keys are kept until the portions have passed them. Ticks that come meanwhile stay open, too
(`streams.members.ticks`): a timer that is set by the adoption is fired by the tick that would have fired it.

All of it is kept in the same transactions as everything else (`streams.members.record.ADOPTING`, `ADOPTED`).
"""

from collections.abc import Callable
from itertools import islice

import msgspec

from schemas.codec import Codec
from streams.engine.events import ProgrammeApplied
from streams.members.engine import Engine
from streams.members.held import Adopted
from streams.members.moves import Do, LogPlace, Moves, adopting
from streams.members.overlay import Loaded, Overlay, Step
from streams.members.programmes import Programmes
from streams.members.record import ADOPTED, ADOPTING
from streams.members.store import PartitionStore

AHEAD_MAX = 100_000
"""Members who were touched before their turn. With more, the log waits until portions have passed some of them."""


class Applied(msgspec.Struct, array_like=True, frozen=True):
    """Programme `programme`, in force from `offset` of `member.events` on, at `at` (ms).

    `before`: the number of the one that was in force; `tick_at`: the partition's last tick by then (ms); `up_to`: the
    key up to which all members have adopted it, empty for none.
    """

    offset: int
    programme: int
    before: int
    at: int
    tick_at: int | None
    up_to: bytes = b""


class Adoption:
    """What is left of the adoption of the last programme in one partition; true while it is open."""

    def __init__(
        self,
        partition: int,
        store: PartitionStore,
        *,
        codec: Codec,
        engine: Engine,
        programmes: Programmes,
        overlay: Overlay,
        moves: Moves,
        do: Do,
        note: Callable[[bytes, bytes | None], None],
        fire_open: Callable[[Loaded], None],
    ) -> None:
        """`note` keeps one of the stage's own records; `fire_open` lets a member go through the ticks that are open."""
        self._partition = partition
        self._store = store
        self._codec = codec
        self._engine = engine
        self._programmes = programmes
        self._overlay = overlay
        self._moves = moves
        self._do = do
        self._note = note
        self._fire_open = fire_open
        self._applied: Applied | None = None
        self._adopted: Adopted | None = None
        self._step: Step | None = None
        self._place: LogPlace | None = None
        self._ahead: set[bytes] = set()
        stored = store.meta(ADOPTING)
        if stored is not None and not _is_of_before(stored):
            applied = msgspec.msgpack.decode(stored, type=Applied)
            self._begin(applied)
            mark = b"%d" % applied.offset
            self._ahead = {key[len(ADOPTED) :] for key, value in store.metas(ADOPTED) if value == mark}

    def __bool__(self) -> bool:
        return self._applied is not None

    @property
    def is_crowded(self) -> bool:
        """Whether more members than it should remember were touched before their turn."""
        return len(self._ahead) > AHEAD_MAX

    def open(self, applied: Applied) -> None:
        """Begin; everything before is committed. What a worker of before had done of this very one isn't repeated."""
        offset, _, key = (self._store.meta(ADOPTING) or b"").partition(b":")
        done = key if offset == b"%d" % applied.offset else b""
        self._begin(msgspec.structs.replace(applied, up_to=done))

    def _begin(self, applied: Applied) -> None:
        value = self._codec.encode(ProgrammeApplied(occurred_at=applied.at, programme=applied.programme))
        self._place = LogPlace(self._partition, applied.offset, None, value)
        self._adopted = Adopted(applied.programme, applied.at, applied.tick_at)
        self._step = adopting(self._engine, self._programmes, applied.before, self._adopted)
        self._applied = applied

    def touch(self, member: Loaded) -> None:
        """Let a member adopt it before anything else is done to them, unless they have, or weren't there then."""
        applied = self._applied
        if applied is None or member.key <= applied.up_to or member.key in self._ahead:
            return
        self._ahead.add(member.key)
        self._note(ADOPTED + member.key, b"%d" % applied.offset)
        if member.encoded is not None:
            self._adopt(member)

    def take(self, members_max: int) -> None:
        """Let the next members adopt it; it is closed behind the last."""
        applied = self._applied
        assert applied is not None
        keys = [key for key, _ in islice(self._store.members(applied.up_to), members_max + 1)]
        is_last = len(keys) <= members_max
        keys = keys[:members_max]
        due = [key for key in keys if key not in self._ahead]
        self._overlay.load(due)
        for key in due:
            member = self._overlay.member(key)
            self._adopt(member)
            self._fire_open(member)
        self._forget(self._ahead if is_last else self._ahead.intersection(keys))
        self._applied = None if is_last else msgspec.structs.replace(applied, up_to=keys[-1])
        self._note(ADOPTING, None if is_last else msgspec.msgpack.encode(self._applied))

    def _forget(self, passed: set[bytes]) -> None:
        for key in passed:
            self._note(ADOPTED + key, None)
        self._ahead -= passed

    def _adopt(self, member: Loaded) -> None:
        """Do what the record says to a member who was there: what was due before it is the earlier programme's."""
        assert self._adopted is not None
        assert self._step is not None
        if not self._moves.adopts_later(member, self._adopted):
            self._do(member, self._place, self._step)


def _is_of_before(stored: bytes) -> bool:
    """Tell whether a worker wrote it that held the log up for an adoption: offset and last key."""
    return stored[:1].isdigit()
