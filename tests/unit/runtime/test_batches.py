"""Batches join without a gap, whatever the size of a fetch."""

from dataclasses import dataclass

from faust.types import TP

from streams.runtime.batch_scheduler import BatchScheduler, Fetched, Position


@dataclass
class Record:
    offset: int


def test_a_fetch_is_cut_into_batches_that_join() -> None:
    scheduler = BatchScheduler()
    scheduler.records_max = 3
    tp, empty = TP("t", 1), TP("u", 2)
    fetched = Fetched({tp: [Record(offset) for offset in (10, 11, 13, 14, 17, 18, 19)]})
    fetched.positions = {tp: Position(9, 25, True), empty: Position(4, 6, True)}
    dealt = list(scheduler.iterate(fetched))
    batches = [record.value for _, record in dealt]
    assert [(b.topic, b.start, b.end, len(b.records), b.at_end) for b in batches] == [
        ("t", 9, 14, 3, False),
        ("t", 14, 19, 3, False),
        ("t", 19, 25, 1, True),
        ("u", 4, 6, 0, True),
    ]
    assert [record.offset for _, record in dealt] == [13, 18, 19, 6], "Faust sees the last record's offset"
    assert [tp for tp, _ in dealt] == [tp, tp, tp, empty]


def test_a_worker_without_partitions_has_nothing_to_deal_out() -> None:
    assert list(BatchScheduler().iterate({})) == []
