"""Each worker has a folder of its own, and a restart finds the same one."""

from pathlib import Path

import pytest

from streams.errors import RekindleError
from streams.runtime import local_state
from streams.runtime.local_state import claim
from streams.settings import Settings


def test_workers_without_a_name_take_the_first_free_folder_and_its_identity(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    first, second = claim(settings, "members"), claim(settings, "members")
    assert first.path == tmp_path / "worker-0" / "members"
    assert second.path == tmp_path / "worker-1" / "members"
    assert first.identity != second.identity
    first.lock.close()
    again = claim(settings, "members")
    assert (again.path, again.identity) == (first.path, first.identity)
    again.lock.close()
    second.lock.close()


def test_nobody_else_may_look_into_the_folder_also_if_it_was_open_before(tmp_path: Path) -> None:
    before = tmp_path / "a" / "members"
    before.mkdir(parents=True, mode=0o755)
    for stage in ("members", "ingest"):
        local = claim(Settings(data_dir=tmp_path, instance="a"), stage)
        assert local.path.stat().st_mode & 0o777 == 0o700
        local.lock.close()


def test_two_workers_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_state, "PATIENCE_SECONDS", 0.2)
    settings = Settings(data_dir=tmp_path, instance="a")
    first = claim(settings, "ingest")
    assert first.identity == "a"
    with pytest.raises(RekindleError, match="another worker runs as REKINDLE_INSTANCE=a"):
        claim(settings, "ingest")
    other = claim(settings, "members")
    assert other.path == tmp_path / "a" / "members"
    first.lock.close()
    other.lock.close()


def test_who_comes_after_finds_which_partitions_it_had(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, instance="a")
    first = claim(settings, "members")
    assert first.partitions() == []
    first.remember([0, 3])
    first.lock.close()
    again = claim(settings, "members")
    assert again.partitions() == [0, 3]
    (again.path / "partitions").write_bytes(b"\xff")
    assert again.partitions() == []
    again.lock.close()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RekindleError, match="REKINDLE_DATA_DIR"):
        claim(Settings(data_dir=tmp_path / "file"), "ingest")
