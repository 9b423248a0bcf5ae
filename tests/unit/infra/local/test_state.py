from pathlib import Path

import pytest

from infra.local import state
from infra.local.processes import Process
from infra.local.state import Running
from streams.errors import RekindleError


def test_what_was_written_is_read(tmp_path: Path) -> None:
    services = {"kafka": Running(Process(12, "start"), {"broker": 1, "controller": 2})}
    state.write(tmp_path, services)
    assert state.read(tmp_path) == services
    state.write(tmp_path, {})
    assert state.read(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "[]", "{", '{"kafka": 1}', '{"kafka": {"process": {}, "ports": {}}}'])
def test_a_foreign_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / state.FILE).write_text(text, encoding="utf-8")
    with pytest.raises(RekindleError, match=r"services.json: not a list of services"):
        state.read(tmp_path)


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RekindleError, match="cannot be used as a folder"), state.locked(tmp_path / "file" / "folder"):
        pass
