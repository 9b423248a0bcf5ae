"""Cutting a partition's records into batches: everyone who comes to the same first offset forms the same batch."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.clickhouse.batch import Backlog, Limits, Stored

LIMITS = Limits(records_max=3, bytes_max=100, linger_s=1.0)


def stored(offset, size=1):
    return Stored(offset, 0, b"", b"x" * size)


def backlog(*offsets, now=0.0, **kwargs):
    made = Backlog("t", 0, **{"first": 0, **kwargs})
    made.add([stored(offset) for offset in offsets], now)
    return made


def test_waits_for_others_until_it_has_lingered():
    waiting = backlog(0, 1, now=10.0)
    assert not waiting.due(10.9, LIMITS)
    assert waiting.due(11.0, LIMITS)


def test_a_full_batch_is_due_at_once():
    assert backlog(0, 1, 2).due(0.0, LIMITS)


def test_draining_takes_what_there_is():
    assert backlog(0).due(0.0, LIMITS, draining=True)


def test_a_batch_begins_where_the_one_before_ended_even_if_no_record_has_that_offset():
    waiting = backlog(5, 7, first=4)
    batch = waiting.take(LIMITS)
    assert (batch.first, batch.last, [record.offset for record in batch.records]) == (4, 7, [5, 7])
    assert batch.token == "t/0/4-7"


def test_records_that_come_again_are_passed_over():
    waiting = backlog(0, 1, 2)
    waiting.add([stored(1), stored(2), stored(3)], 0.0)
    assert len(waiting) == 4


def test_records_before_the_next_batch_are_passed_over():
    assert len(backlog(1, 2, 3, first=3)) == 1


def test_a_batch_is_cut_by_bytes_but_holds_one_record_at_least():
    waiting = Backlog("t", 0, first=0)
    waiting.add([stored(0, 150), stored(1, 60), stored(2, 60)], 0.0)
    assert waiting.take(LIMITS).last == 0
    waiting.written(0, 0.0)
    assert waiting.take(LIMITS).last == 1


def test_only_one_batch_of_a_partition_is_written_at_a_time():
    waiting = backlog(0, 1, 2, 3)
    waiting.take(LIMITS)
    assert not waiting.due(99.0, LIMITS)


def test_goes_on_behind_what_was_written():
    waiting = backlog(0, 1, 2, 3)
    waiting.take(LIMITS)
    waiting.written(2, 0.0)
    assert (waiting.first, len(waiting), waiting.bytes) == (3, 1, 1)


def test_a_decided_batch_waits_for_its_last_record_whatever_its_size():
    waiting = backlog(0, 1, 2, 3, 4, 5, first=0, decided_last=6, suspect=True)
    assert not waiting.due(99.0, LIMITS)
    assert not waiting.full(LIMITS)
    waiting.add([stored(6), stored(7)], 99.0)
    assert waiting.due(99.0, LIMITS)
    batch = waiting.take(LIMITS)
    assert (batch.last, len(batch.records), batch.decided, batch.suspect) == (6, 7, True, True)


def test_a_decided_batch_whose_last_record_is_gone_ends_where_it_was_decided():
    waiting = backlog(0, 1, 8, decided_last=4)
    assert waiting.take(LIMITS).token == "t/0/0-4"


def test_a_batch_that_ends_elsewhere_is_formed_anew():
    waiting = backlog(0, 1, 2)
    waiting.take(LIMITS)
    waiting.postponed(4)
    assert not waiting.due(99.0, LIMITS)
    waiting.add([stored(3), stored(4)], 0.0)
    assert waiting.take(LIMITS).token == "t/0/0-4"


def test_stops_reading_when_two_batches_wait():
    assert not backlog(*range(5)).full(LIMITS)
    assert backlog(*range(6)).full(LIMITS)


@given(
    gaps=st.lists(st.integers(1, 3), min_size=1, max_size=40),
    restarts=st.lists(st.tuples(st.integers(1, 7), st.booleans()), max_size=20),
)
def test_batches_cover_every_record_once_and_in_order_across_restarts(gaps, restarts):
    """A restart forgets what waits; batches decided before it are formed again, to the same end."""
    offsets = []
    for gap in gaps:
        offsets.append((offsets[-1] if offsets else -1) + gap)
    decided = {}
    written = {}
    first, limit_of = 0, iter(restarts)
    while offsets and first <= offsets[-1]:
        size, crash = next(limit_of, (5, False))
        waiting = Backlog("t", 0, first=first, decided_last=decided.get(first))
        waiting.add([stored(offset) for offset in offsets], 0.0)
        batch = waiting.take(Limits(records_max=size, bytes_max=1000))
        decided.setdefault(batch.first, batch.last)
        assert decided[batch.first] == batch.last
        seen = tuple(record.offset for record in batch.records)
        assert written.setdefault(batch.token, seen) == seen
        if not crash:
            first = batch.last + 1
    assert [offset for seen in written.values() for offset in seen] == offsets
