"""How partitions are dealt out: fairly, leaving everyone what it has, and to whom has their state."""

import random

import pytest

from streams.runtime.assignor import deal


def test_everyone_has_its_share_whatever_was_before() -> None:
    rng = random.Random(7)
    for _ in range(300):
        partitions, members = rng.randint(1, 12), [f"m{number}" for number in range(rng.randint(1, 5))]
        some = [{number for number in range(16) if rng.random() < 0.4} for _ in range(2 * len(members))]
        owned, kept = dict(zip(members, some, strict=False)), dict(zip(members, some[len(members) :], strict=True))
        dealt = deal(partitions, owned, kept)
        assert sorted(number for numbers in dealt.values() for number in numbers) == list(range(partitions))
        sizes = [len(numbers) for numbers in dealt.values()]
        assert max(sizes) - min(sizes) <= 1
        again = deal(partitions, dealt, kept)
        assert again == dealt, "dealing anew moved something"


@pytest.mark.parametrize(
    ("owned", "kept", "dealt"),
    [
        ({"a": {}}, {"a": {}}, {"a": [0, 1, 2, 3]}),
        # who comes back takes its own again, from one that has all and by now keeps all
        ({"a": {0, 1, 2, 3}, "b": {}}, {"a": {0, 1, 2, 3}, "b": {0, 3}}, {"a": [1, 2], "b": [0, 3]}),
        # both come back at once
        ({"a": {}, "b": {}}, {"a": {1, 2}, "b": {0, 3}}, {"a": [1, 2], "b": [0, 3]}),
        # what only one keeps goes there, what both keep to the other
        ({"a": {}, "b": {}}, {"a": {0, 1, 2, 3}, "b": {0, 1}}, {"a": [2, 3], "b": [0, 1]}),
        # who has partitions keeps them, even if another has their state
        ({"a": {0, 1}, "b": {2, 3}}, {"a": {2, 3}, "b": {0, 1}}, {"a": [0, 1], "b": [2, 3]}),
        # one has gone: who kept its state inherits it, as far as it has room
        ({"a": {0}, "b": {1}}, {"a": {0, 3}, "b": {1, 2}}, {"a": [0, 3], "b": [1, 2]}),
        # who gives some to one that keeps nothing stays with those whose state it has
        ({"a": {0, 1, 2, 3}, "c": {}}, {"a": {2, 3}, "c": {}}, {"a": [2, 3], "c": [0, 1]}),
        # two that believe they have the same: one of them was away
        ({"a": {0, 1, 2}, "b": {2, 3}}, {"a": {}, "b": {}}, {"a": [0, 1], "b": [2, 3]}),
    ],
)
def test_what_moves_goes_where_its_state_is(
    owned: dict[str, set[int]], kept: dict[str, set[int]], dealt: dict[str, list[int]]
) -> None:
    assert deal(4, owned, kept) == dealt
