"""What stays in memory is bounded in members and in bytes, the last touched longest; and it is what was decided."""

import random
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest

from streams.members.overlay import HOT_MAX, EngineError, Overlay, Step
from streams.members.record import due_of, state_of
from tests.pipeline.store import MemoryStore
from tests.step_support import CODEC, Engine, State


class Asked(MemoryStore):
    """Notes whose records it is asked for."""

    def __init__(self) -> None:
        super().__init__(Path("0"))
        self.read: list[str] = []

    def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.read += [key.decode() for key in keys]
        return super().get(keys)


class Reading(Engine):
    """Notes whose states it makes of records."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def decode(self, data: bytes) -> State:
        state = super().decode(data)
        self.read.append(state.key)
        return state


def touch(overlay: Overlay, store: MemoryStore, *keys: str) -> None:
    """Load members, make their states longer, commit."""
    overlay.load(key.encode() for key in keys)
    for key in keys:
        overlay.apply(overlay.member(key.encode()), lambda state: state.seen.append("x" * 100) or ())
    store.write(overlay.changes(), 0)
    overlay.committed()


@pytest.mark.parametrize(
    ("members_max", "bytes_max", "read"),
    [(10, 10_000, []), (2, 10_000, ["a"]), (10, 300, ["a"]), (10, 100, ["a", "b", "c"]), (0, 10_000, ["a", "b", "c"])],
)
def test_who_was_touched_longest_ago_is_forgotten_first(members_max: int, bytes_max: int, read: list[str]) -> None:
    store = Asked()
    overlay = Overlay(store, Engine(), CODEC, members_max, bytes_max)
    for key in "abc":
        touch(overlay, store, key)
    store.read.clear()
    overlay.load([b"a", b"b", b"c"])
    assert store.read == read


def test_a_member_that_grows_is_counted_as_it_is_now() -> None:
    store = Asked()
    overlay = Overlay(store, Engine(), CODEC, 10, 400)
    touch(overlay, store, "a")
    for _ in range(3):
        touch(overlay, store, "b")
    assert store.read == ["a", "b"], "b was in memory each time"
    overlay.load([b"a", b"b"])
    assert store.read == ["a", "b", "a"], "b alone nearly fills the room"


def test_a_state_is_made_once_for_events_in_a_row() -> None:
    engine, store = Reading(), MemoryStore(Path("0"))
    overlay = Overlay(store, engine, CODEC, 10)
    touch(overlay, store, "a")
    for _ in range(5):
        overlay.apply(overlay.member(b"a"), lambda state: state.seen.append("x") or ())
    assert engine.read == ["a"]


@pytest.mark.parametrize("seed", range(20))
def test_states_are_the_same_however_often_they_become_records(seed: int) -> None:
    draw = random.Random(seed)
    store = MemoryStore(Path("0"))
    overlay = Overlay(store, Engine(), CODEC, draw.choice([0, 10, 1000]))
    expected: dict[bytes, list[str]] = {}

    def step(state: State, number: int, *, fails: bool) -> tuple[()]:
        state.seen.append(str(number))
        state.timers = [number]
        if fails:
            raise ValueError("half done")
        return ()

    for number in range(20 * HOT_MAX):
        key = b"m%d" % draw.randrange(2 * HOT_MAX)
        fails = draw.random() < 0.2
        with pytest.raises(EngineError) if fails else nullcontext():
            overlay.apply(overlay.member(key), partial(step, number=number, fails=fails))
        if not fails:
            expected.setdefault(key, []).append(str(number))
        if draw.random() < 0.01:
            store.write(overlay.changes(), 0)
            overlay.committed()
    store.write(overlay.changes(), 0)
    stored = {key: (due_of(record), Engine().decode(state_of(record))) for key, record in store.members(b"")}
    assert {key: state.seen for key, (_, state) in stored.items()} == expected
    assert {key: due for key, (due, _) in stored.items()} == {key: int(seen[-1]) for key, seen in expected.items()}
    assert list(store.due_members(10**6)) == sorted((int(seen[-1]), key) for key, seen in expected.items())


def test_an_error_is_told_without_its_own_words_which_may_be_of_the_member() -> None:
    overlay = Overlay(MemoryStore(Path("0")), Engine(), CODEC)

    def fails(_state: State) -> tuple[()]:
        raise ValueError("anna@example.com")

    with pytest.raises(EngineError, match=r"^ValueError in test_overlay\.py, line \d+$"):
        overlay.apply(overlay.member(b"a"), fails)


def test_who_is_parked_is_in_no_index_and_keeps_their_state() -> None:
    store = MemoryStore(Path("0"))
    overlay = Overlay(store, Engine(), CODEC)

    def sets(state: State) -> tuple[()]:
        state.timers = [7]
        return ()

    member = overlay.member(b"a")
    overlay.apply(member, sets)
    overlay.park(member)
    store.write(overlay.changes(), 0)
    ((_, record),) = store.members(b"")
    assert (due_of(record), Engine().decode(state_of(record)).timers) == (None, [7])
    assert store.earliest_due() is None


def test_the_earliest_due_is_that_of_what_is_about_to_be_stored() -> None:
    def sets(due: int | None) -> Step:
        def step(state: State) -> tuple[()]:
            state.timers[:] = [] if due is None else [due]
            return ()

        return step

    store = MemoryStore(Path("0"))
    overlay = Overlay(store, Engine(), CODEC)
    assert overlay.earliest_due() is None
    for key, due, earliest in [(b"a", 30, 30), (b"b", 10, 10), (b"b", 40, 30), (b"a", None, 40), (b"b", None, None)]:
        overlay.apply(overlay.member(key), sets(due))
        assert overlay.earliest_due() == earliest
        store.write(overlay.changes(), 0)
        overlay.committed()
        assert overlay.earliest_due() == earliest == store.earliest_due()
