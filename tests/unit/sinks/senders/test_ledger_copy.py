"""The copy of a ledger: entries and position change together, and outlive the process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sinks.senders.ledger_copy import LedgerCopy
from tests.pipeline.sender import MemoryCopy
from tests.pipeline.store import LedgerFiles

Open = Callable[[], LedgerCopy]


@pytest.fixture(params=["rocksdb", "memory"])
def open_copy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """The one in RocksDB, and the one in memory that the simulation of the pipeline uses."""
    files, opened = LedgerFiles(), []

    def make() -> LedgerCopy:
        for each in opened:
            each.close()
        made = LedgerCopy(tmp_path / "t" / "0", 3600) if request.param == "rocksdb" else MemoryCopy(files)
        opened[:] = [made]
        return made

    yield make
    for each in opened:
        each.close()


def test_a_new_one_is_empty_and_reads_from_the_beginning(open_copy: Open) -> None:
    copy = open_copy()
    assert (copy.read_up_to(), copy.states([b"a"]), copy.states([])) == (0, [None], [])


def test_entries_and_position_are_found_again(open_copy: Open) -> None:
    open_copy().write({b"a": b"c", b"b": b"d"}, 7)
    copy = open_copy()
    assert (copy.read_up_to(), copy.states([b"b", b"x", b"a"])) == (7, [b"d", None, b"c"])


def test_the_last_entry_counts_and_none_deletes(open_copy: Open) -> None:
    copy = open_copy()
    copy.write({b"a": b"c", b"b": b"c"}, 2)
    copy.write({b"a": b"d", b"b": None, b"never": None}, 5)
    assert (copy.read_up_to(), copy.states([b"a", b"b", b"never"])) == (5, [b"d", None, None])
