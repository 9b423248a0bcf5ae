"""What stays in memory after a commit is bounded in members and in bytes, and the last touched stay longest."""

from pathlib import Path

import pytest

from streams.members.overlay import Overlay
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
