"""The demo empties its own folder and nobody else's."""

from pathlib import Path

import pytest

from streams.demo.folder import prepare
from streams.errors import RekindleError


def test_new_and_empty_folders_are_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for directory in (tmp_path / "a" / "b", tmp_path / "empty"):
        prepare(directory)
        assert [path.name for path in directory.iterdir()] == [".rekindle-demo"]


def test_own_folder_is_emptied(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "report.html").write_text("old")
    prepare(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".rekindle-demo"]


def test_folder_of_others_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RekindleError, match="expected an empty folder"):
        prepare(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RekindleError, match="expected an empty folder"):
        prepare(tmp_path / "file")
