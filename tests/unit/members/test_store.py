"""The store of a partition: records, due index and position change together, and agree after recovery."""

import gc
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from schemas.declarations import topic_declarations
from streams.errors import RekindleError
from streams.members import store as store_module
from streams.members import tune
from streams.members.record import PROGRAMME, due_of, index_bound, pack, state_of
from streams.members.store import FOLLOWED_SECONDS_MAX, PartitionStore
from tests.pipeline.store import MemoryStore
from tests.support import until


@pytest.fixture(params=[PartitionStore, MemoryStore])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PartitionStore]:
    """The one in RocksDB, and the one in memory that the simulation of the pipeline uses."""
    store = request.param(tmp_path / "0")
    yield store
    store.close()


def due(store: PartitionStore, until: int) -> list[tuple[int, bytes]]:
    return list(store.due_members(until))


def test_a_record_holds_due_time_and_state() -> None:
    assert (due_of(pack(5, b"x")), state_of(pack(5, b"x"))) == (5, b"x")
    assert due_of(pack(None, b"x")) is None
    assert due_of(pack(-7, b"x")) == 0, "before the epoch is due at once"


def test_one_index_entry_per_member_moves_with_its_due_time(store: PartitionStore) -> None:
    store.write([(b"a", pack(30, b"1"), None), (b"b", pack(10, b"2"), None), (b"c", pack(None, b"3"), None)], 7)
    assert due(store, 30) == [(10, b"b"), (30, b"a")]
    assert due(store, 29) == [(10, b"b")]
    store.write([(b"b", pack(40, b"4"), 10), (b"a", pack(None, b"5"), 30)], 9)
    assert due(store, 100) == [(40, b"b")]
    assert store.get([b"b", b"zz"]) == [pack(40, b"4"), None]
    assert store.changelog_offset == 9
    assert store.earliest_due() == 40


def test_a_scan_goes_on_where_the_last_ended_but_misses_nothing_that_was_put_before_it(store: PartitionStore) -> None:
    store.write([(b"a", pack(10, b""), None)], 0)
    assert due(store, 20) == [(10, b"a")]
    store.write([(b"a", pack(50, b""), 10), (b"b", pack(15, b""), None)], 1)
    store.scanned(index_bound(20))
    assert due(store, 20) == [(15, b"b")], "put after the scan, due before its end"
    store.write([(b"b", pack(None, b""), 15)], 2)
    store.scanned(index_bound(20))
    store.write([(b"c", pack(5, b""), None)], 3)
    assert due(store, 20) == [(5, b"c")]


def test_the_earliest_due_may_leave_members_out(store: PartitionStore) -> None:
    assert store.earliest_due() is None
    store.write([(key, pack(at, b""), None) for key, at in ((b"a", 10), (b"b", 20), (b"c", 20), (b"d", 30))], 0)
    assert [store.earliest_due(but_for) for but_for in ((), {b"a"}, {b"a", b"b", b"c"}, {b"a", b"b", b"c", b"d"})] == [
        10,
        20,
        30,
        None,
    ]


def test_a_look_at_the_earliest_due_hides_nothing_that_comes_before_it(store: PartitionStore) -> None:
    store.write([(b"a", pack(10, b""), None), (b"b", pack(90, b""), None)], 0)
    store.write([(b"a", pack(None, b""), 10)], 1)
    assert store.earliest_due() == 90
    store.write([(b"c", pack(40, b""), None)], 2)
    assert (store.earliest_due(), due(store, 100)) == (40, [(40, b"c"), (90, b"b")])
    store.scanned(index_bound(30))
    store.write([(b"b", None, 90), (b"c", None, 40)], 3)
    assert store.earliest_due() is None
    store.write([(b"d", pack(5, b""), None)], 4)
    assert (store.earliest_due(), due(store, 100)) == (5, [(5, b"d")])


def test_recovery_gives_the_same_members_and_index(tmp_path: Path, store: PartitionStore) -> None:
    store.apply_changelog({b"a": pack(1, b"old"), b"b": pack(2, b"b"), PROGRAMME: b"3"}, 2)
    store.apply_changelog({b"a": pack(8, b"new"), b"b": None}, 5)
    assert due(store, 100) == [(8, b"a")]
    assert list(store.members(b"")) == [(b"a", pack(8, b"new"))]
    assert store.meta(PROGRAMME) == b"3"
    assert store.changelog_offset == 5


def test_a_store_is_rebuilt_without_its_index_which_is_made_at_the_end(store: PartitionStore) -> None:
    assert store.is_rebuilding, "a new one"
    store.begin_rebuild()
    store.rebuild({b"a": pack(1, b"old"), b"b": pack(2, b"b"), b"c": pack(None, b"c"), PROGRAMME: b"3"}, None)
    assert store.changelog_offset is None, "nothing of it is known to be durable"
    store.rebuild({b"a": pack(9, b"mid"), b"b": None}, 5)
    assert (store.changelog_offset, store.is_rebuilding) == (5, True)
    store.begin_rebuild()  # a crash in between: what is durable stays
    store.rebuild({b"a": pack(8, b"new")}, None)
    store.end_rebuild(7)
    assert (due(store, 100), store.changelog_offset, store.is_rebuilding) == ([(8, b"a")], 7, False)
    assert list(store.members(b"")) == [(b"a", pack(8, b"new")), (b"c", pack(None, b"c"))]
    assert store.meta(PROGRAMME) == b"3"


def test_a_rebuilding_that_had_nothing_durable_begins_with_nothing(store: PartitionStore) -> None:
    store.begin_rebuild()
    store.rebuild({b"a": pack(1, b"a")}, None)
    store.begin_rebuild()
    assert store.get([b"a"]) == [None], "it may have been deleted since"


def test_what_a_crash_leaves_of_a_rebuilding_is_what_was_durable(tmp_path: Path) -> None:
    crash = """
import os, sys
from pathlib import Path
from streams.members.record import pack
from streams.members.store import FOLLOWED_SECONDS_MAX, PartitionStore
store = PartitionStore(Path(sys.argv[1]))
store.begin_rebuild()
store.rebuild({b"a": pack(1, b"a")}, 3)
store.rebuild({b"b": pack(2, b"b")}, None)
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", crash, str(tmp_path / "6")], check=False).returncode == 9
    store = PartitionStore(tmp_path / "6")
    assert (store.changelog_offset, store.is_rebuilding, store.get([b"a"])) == (3, True, [pack(1, b"a")])
    store.close()


def test_an_index_that_a_crash_left_half_made_is_made_anew(tmp_path: Path) -> None:
    crash = """
import os, sys
from pathlib import Path
from streams.members import store as module
from streams.members.record import pack
module.INDEX_BATCH = 1
class Dying(module.PartitionStore):
    def members(self, after):
        for number, member in enumerate(super().members(after)):
            if number == 2:
                os._exit(9)
            yield member
store = Dying(Path(sys.argv[1]))
store.begin_rebuild()
store.rebuild({b"a": pack(500, b"a"), b"b": pack(110, b"b"), b"c": pack(120, b"c")}, 3)
store.end_rebuild(3)
"""
    assert subprocess.run([sys.executable, "-c", crash, str(tmp_path / "7")], check=False).returncode == 9
    store = PartitionStore(tmp_path / "7")
    assert (due(store, 1000), store.is_rebuilding) == ([(110, b"b"), (500, b"a")], True)
    store.begin_rebuild()
    store.rebuild({b"a": pack(100, b"a"), b"c": pack(None, b"c")}, 5)
    store.end_rebuild(5)
    assert (due(store, 1000), store.is_rebuilding) == ([(100, b"a"), (110, b"b")], False)
    store.close()


def test_members_come_by_key_from_behind_a_key(store: PartitionStore) -> None:
    store.write([(key, pack(None, key), None) for key in (b"a", b"ab", b"b")], 0)
    assert [key for key, _ in store.members(b"a")] == [b"ab", b"b"]


def test_the_stages_own_records_are_found_by_how_their_keys_begin(store: PartitionStore) -> None:
    own = {b"\0a": b"1", b"\0b:": b"2", b"\0b:x": b"3", b"\0b:y": b"4", b"\0c": b"5"}
    store.write([*((key, value, None) for key, value in own.items()), (b"b", pack(3, b"x"), None)], 4)
    assert list(store.metas(b"\0b:")) == [(b"\0b:", b"2"), (b"\0b:x", b"3"), (b"\0b:y", b"4")]
    assert list(store.metas(b"\0d")) == []


def test_a_store_that_is_emptied_begins_anew(store: PartitionStore) -> None:
    store.write([(b"a", pack(3, b"x"), None), (PROGRAMME, b"1", None)], 4)
    store.empty()
    assert (store.get([b"a"]), store.meta(PROGRAMME), store.changelog_offset, due(store, 9)) == ([None], None, None, [])
    store.write([(b"b", pack(2, b"y"), None)], 0)
    assert due(store, 9) == [(2, b"b")]


def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    first = PartitionStore(tmp_path / "1")
    first.write([(b"a", pack(3, b"x"), None)], 4)
    first.close()
    again = PartitionStore(tmp_path / "1")
    assert (again.changelog_offset, due(again, 3)) == (4, [(3, b"a")])
    again.close()


def damaged(path: Path) -> PartitionStore:
    """A store that opens, but some of whose blocks cannot be read."""
    written = PartitionStore(path)
    written.write([(b"m%05d" % number, pack(number, os.urandom(200)), None) for number in range(5000)], 4)
    written.close()
    large = [file for file in path.glob("*.sst") if file.stat().st_size > 10_000]  # members, and the due index
    assert len(large) == 2
    for file in large:
        data = bytearray(file.read_bytes())
        data[: len(data) // 2] = bytes(byte ^ 0x55 for byte in data[: len(data) // 2])
        file.write_bytes(data)
    return PartitionStore(path)


@pytest.mark.parametrize(
    "read",
    [
        lambda store: store.get([b"m%05d" % number for number in range(0, 5000, 100)]),
        lambda store: list(store.members(b"")),
        lambda store: list(store.due_members(10_000)),
        lambda store: store.earliest_due(),
    ],
    ids=["get", "members", "due_members", "earliest_due"],
)
def test_damage_that_shows_late_ends_the_process_and_the_next_start_rebuilds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, read: Callable[[PartitionStore], object]
) -> None:
    store = damaged(tmp_path / "3")
    with pytest.raises(RekindleError, match="the next start rebuilds it from the changelog"):
        read(store)
    store.close()
    gc.collect()  # from Python 3.13 on the error and what it was raised in hold each other, and the open database
    again = PartitionStore(tmp_path / "3")
    assert "is damaged: rebuilding it from the changelog" in caplog.text
    assert (again.changelog_offset, due(again, 10_000)) == (None, [])
    again.close()
    PartitionStore(tmp_path / "3").close()


def test_a_store_that_is_open_elsewhere_is_left_alone(tmp_path: Path) -> None:
    first = PartitionStore(tmp_path / "4")
    first.write([(b"a", pack(3, b"x"), None)], 4)
    with pytest.raises(Exception, match="lock"):
        PartitionStore(tmp_path / "4")
    assert first.get([b"a"]) == [pack(3, b"x")]
    first.close()


def test_a_truncated_store_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "5"
    first = PartitionStore(path)
    first.write([(b"m%05d" % number, pack(number, b"x" * 50), None) for number in range(2000)], 4)
    first.close()
    for file in path.glob("*.sst"):
        file.write_bytes(file.read_bytes()[:100])
    again = PartitionStore(path)
    assert again.changelog_offset is None
    assert "rebuilding it from the changelog" in caplog.text
    again.close()


def test_a_damaged_store_is_made_anew_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "2"
    first = PartitionStore(path)
    first.write([(b"a", pack(3, b"x"), None)], 4)
    first.close()
    for file in path.glob("MANIFEST-*"):
        file.write_bytes(b"damaged")
    again = PartitionStore(path)
    assert again.changelog_offset is None
    assert "rebuilding it from the changelog" in caplog.text
    again.close()


def test_memory_is_one_budget_for_all_partitions(tmp_path: Path) -> None:
    """What is written and not flushed yet is counted into the one cache, so it cannot grow with the partitions."""
    blocks, buffers = tune.memory()
    stores = [PartitionStore(tmp_path / str(number)) for number in range(6)]
    value = pack(None, os.urandom(4096))
    for number in range(30):
        for store in stores:
            store.write([(b"m%05d" % (number * 200 + each), value, None) for each in range(200)], number)
    assert buffers.get_buffer_size() == tune.WRITE_BUFFERS_BYTES
    bound = tune.WRITE_BUFFERS_BYTES + tune.WRITE_BUFFER_BYTES
    until(lambda: 0 < buffers.get_usage() <= bound, 30, "the flushing, in the background, of what is beyond the budget")
    assert blocks.get_usage() <= tune.CACHE_BYTES
    for store in stores:
        store.close()


def test_a_store_that_was_not_written_for_days_may_lack_tombstones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PartitionStore(tmp_path / "0")
    assert not store.is_outdated, "it is new"
    store.write([(b"a", pack(None, b"1"), None)], 7)
    assert not store.is_outdated
    now = time.time()
    monkeypatch.setattr(store_module.time, "time", lambda: now + FOLLOWED_SECONDS_MAX + 2)
    assert store.is_outdated
    store.write([], 8)
    assert not store.is_outdated
    store.close()


def test_tombstones_are_kept_for_longer_than_a_store_may_be_away() -> None:
    for topic in ("rekindle-members-changelog", "rekindle-identity-changelog"):
        kept_ms = int(topic_declarations()[topic].compaction["delete.retention.ms"])
        assert kept_ms > 2 * 1000 * FOLLOWED_SECONDS_MAX
