"""The merge gives what stands in the inputs, in order of time, however it was cut into batches."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import RekindleError
from streams.ingest.merge import Entry, Merge

TOPICS = ("receipts", "behaviour", "control")
RECEIPTS = ("receipts", 0)


@dataclass
class Record:
    topic: str
    offset: int
    partition: int = 0
    value: bytes | None = b"12345"


def entries(topic: str, times: list[int], first: int = 0) -> list[Entry]:
    return [Entry(time, TOPICS.index(topic), Record(topic, first + i)) for i, time in enumerate(times)]


def add(merge: Merge, topic: str, times: list[int], *, first: int = 0, at_end: bool = True) -> None:
    merge.add((topic, 0), first, first + len(times), entries(topic, times, first), at_end=at_end)


def taken(merge: Merge, most: int = 1000, *, impatient: bool = False) -> list[tuple[int, str, int]]:
    return [(e.occurred_at, e.record.topic, e.record.offset) for e in merge.take(most, impatient=impatient)]


def new_merge() -> Merge:
    return Merge({(topic, 0): 0 for topic in TOPICS})


def test_an_input_that_has_more_to_come_holds_the_others_back() -> None:
    merge = new_merge()
    add(merge, "receipts", [10, 20])
    add(merge, "control", [])
    assert taken(merge) == [], "nothing is known of behaviour yet"
    add(merge, "behaviour", [5], at_end=False)
    assert taken(merge) == [(5, "behaviour", 0)], "what follows 5 in behaviour may be earlier than 10"
    add(merge, "behaviour", [15], first=1)
    assert taken(merge) == [(10, "receipts", 0), (15, "behaviour", 1), (20, "receipts", 1)]


def test_impatience_goes_on_without_the_missing_input() -> None:
    merge = new_merge()
    add(merge, "receipts", [10])
    assert taken(merge, impatient=True) == [(10, "receipts", 0)]


def test_equal_times_go_by_the_order_of_topics_then_by_offset() -> None:
    merge = new_merge()
    add(merge, "control", [7])
    add(merge, "behaviour", [7, 7])
    add(merge, "receipts", [7])
    assert taken(merge) == [(7, "receipts", 0), (7, "behaviour", 0), (7, "behaviour", 1), (7, "control", 0)]


def test_offsets_to_commit_pass_the_markers_behind_the_last_record() -> None:
    merge = new_merge()
    merge.add(RECEIPTS, 0, 5, entries("receipts", [1, 2]), at_end=True)
    add(merge, "behaviour", [])
    add(merge, "control", [])
    assert merge.next_offsets()[RECEIPTS] == 0
    assert len(taken(merge, 1)) == 1
    assert merge.next_offsets()[RECEIPTS] == 1
    assert len(taken(merge)) == 1
    assert merge.next_offsets() == {RECEIPTS: 5, ("behaviour", 0): 0, ("control", 0): 0}
    assert merge.caught_up


def test_a_gap_is_an_error_and_a_repetition_is_not_taken_twice() -> None:
    merge = new_merge()
    for topic in TOPICS[1:]:
        add(merge, topic, [])
    add(merge, "receipts", [1, 2, 3])
    merge.add(RECEIPTS, 1, 5, entries("receipts", [2, 3, 4, 5], first=1), at_end=True)
    assert [offset for _, _, offset in taken(merge)] == [0, 1, 2, 3, 4]
    with pytest.raises(RekindleError, match="records 5 to 6 of receipts/0 were never delivered"):
        add(merge, "receipts", [9], first=7)


def test_an_input_of_which_much_waits_is_named() -> None:
    merge = new_merge()
    add(merge, "receipts", [1, 2, 3])
    assert merge.full(3, 100) == [RECEIPTS]
    assert merge.full(4, 100) == []


def test_an_input_of_which_large_records_wait_is_named() -> None:
    merge = new_merge()
    add(merge, "receipts", [1, 2, 3])
    assert merge.full(100, 15) == [RECEIPTS]
    assert merge.full(100, 16) == []
    add(merge, "behaviour", [])
    add(merge, "control", [])
    assert len(taken(merge, 1)) == 1
    assert merge.full(100, 11) == []
    merge.add(RECEIPTS, 2, 4, entries("receipts", [3, 4], 2), at_end=True)
    assert merge.full(100, 15) == [RECEIPTS], "what came before isn't counted again"
    assert merge.full(100, 16) == []


def test_equal_times_of_a_topic_go_by_the_partition() -> None:
    merge = Merge({("receipts", 1): 0, ("receipts", 0): 0})
    for partition in (1, 0):
        own = [Entry(7, 0, Record("receipts", 0, partition))]
        merge.add(("receipts", partition), 0, 1, own, at_end=True)
    assert [each.record.partition for each in merge.take(2)] == [0, 1]


@given(
    st.lists(st.lists(st.integers(0, 50), max_size=30), min_size=3, max_size=3),
    st.integers(0, 2**32),
)
def test_the_result_does_not_depend_on_the_batches(times: list[list[int]], seed: int) -> None:
    whole = new_merge()
    for topic, own in zip(TOPICS, times, strict=True):
        add(whole, topic, own)
    expected = taken(whole)

    rng = random.Random(seed)
    cut, result = new_merge(), []
    left = {topic: (0, own) for topic, own in zip(TOPICS, times, strict=True)}
    while left:
        topic = rng.choice(sorted(left))
        first, own = left[topic]
        size = rng.randint(0, len(own) - first)
        at_end = first + size == len(own)
        add(cut, topic, own[first : first + size], first=first, at_end=at_end)
        left[topic] = (first + size, own)
        if at_end:
            del left[topic]
        result += taken(cut, rng.randint(1, 5))
    while more := taken(cut, 3):
        result += more
    assert result == expected


def test_an_input_that_waits_gets_on_with_its_merge_and_one_that_is_to_be_read_by_itself() -> None:
    merge = new_merge()
    add(merge, "receipts", [10, 20, 30])
    add(merge, "behaviour", [90], at_end=False)
    before = dict(merge.progress())
    assert len(taken(merge, 2, impatient=True)) == 2
    after = merge.progress()
    assert [name for name in TOPICS if before[name, 0] != after[name, 0]] == ["receipts", "behaviour"]
