"""Waiting for all input: by the wall clock the log never stands still, so what counts is what stood in it before."""

from collections.abc import Sequence
from dataclasses import replace

from streams.runtime.lag import Lag, LagReader, await_handled


class _Readings(LagReader):
    """Gives prepared rows, one reading after another; the last one for ever."""

    def __init__(self, *readings: Sequence[Lag]) -> None:
        self._readings = list(readings)
        self.taken = 0

    def read(self) -> Sequence[Lag]:
        self.taken += 1
        return self._readings[min(self.taken, len(self._readings)) - 1]


def _rows(source_end: int, source_lag: int, log_end: int, members: int, sink: int, status_end: int = 0) -> list[Lag]:
    """One partition of everything; `members` and `sink` are positions in the log."""
    return [
        Lag("ingest", "pos.receipts", 0, source_end - source_lag, source_end, source_lag),
        Lag("ingest", "delivery.statuses", 0, status_end, status_end, 0),
        Lag("members", "member.events", 0, members, log_end, log_end - members),
        Lag("sink", "member.events", 0, sink, log_end, log_end - sink),
    ]


def test_ticks_that_go_on_do_not_hold_it_up() -> None:
    readings = _Readings(*[_rows(5, 0, 10 + n, 9 + n, 6 + n) for n in range(10)])
    assert await_handled(readings, 30, pause_seconds=0)[0]
    # the log ended at 10 once ingest was done, members had that a reading later, the sink at 11 some readings later
    assert readings.taken >= 6


def test_input_that_waits_is_told() -> None:
    assert not await_handled(_Readings(_rows(5, 1, 10, 10, 10)), 0.01, pause_seconds=0.01)[0]
    assert not await_handled(_Readings(_rows(5, 0, 10, 9, 10)), 0.01, pause_seconds=0.01)[0]
    assert not await_handled(_Readings(_rows(5, 0, 10, 10, 9)), 0.01, pause_seconds=0.01)[0]


def test_ticks_that_are_still_worked_off_are_told() -> None:
    rows = [replace(row, has_open_ticks=row.stage == "members") for row in _rows(5, 0, 10, 10, 10)]
    assert not await_handled(_Readings(rows), 0.01, pause_seconds=0.01)[0]


def test_statuses_that_come_back_begin_the_wait_anew() -> None:
    done = _rows(5, 0, 10, 10, 10)
    readings = _Readings(done, done, done, _rows(5, 0, 10, 10, 10, status_end=1), _rows(5, 0, 11, 10, 10, status_end=1))
    assert not await_handled(readings, 0.02, pause_seconds=0.01)[0]


def test_nothing_at_all_is_handled() -> None:
    assert await_handled(_Readings([]), 1, pause_seconds=0)[0]
