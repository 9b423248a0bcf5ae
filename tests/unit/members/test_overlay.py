"""What stays in memory after a commit is bounded in members and in bytes, and the last touched stay longest."""

from pathlib import Path

import pytest

from streams.members.overlay import Overlay, Step
from tests.pipeline.store import MemoryStore
from tests.step_support import CODEC, Engine, State


class Reading(Engine):
    """Notes whom it reads."""

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
    engine, store = Reading(), MemoryStore(Path("0"))
    overlay = Overlay(store, engine, CODEC, members_max, bytes_max)
    for key in "abc":
        touch(overlay, store, key)
    overlay.load([b"a", b"b", b"c"])
    assert engine.read == read


def test_a_member_that_grows_is_counted_as_it_is_now() -> None:
    engine, store = Reading(), MemoryStore(Path("0"))
    overlay = Overlay(store, engine, CODEC, 10, 400)
    touch(overlay, store, "a")
    for _ in range(3):
        touch(overlay, store, "b")
    assert engine.read == [], "b was in memory each time"
    overlay.load([b"a", b"b"])
    assert engine.read == ["a"], "b alone nearly fills the room"


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
