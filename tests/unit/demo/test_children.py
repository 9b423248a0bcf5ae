"""The demo's processes: failures are told with the end of their log, and none is left behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.demo.children import Children, stop_leftovers
from streams.errors import RekindleError


@pytest.fixture
def children(tmp_path: Path) -> Children:
    return Children(tmp_path, {})


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_output_comes_line_by_line(children: Children) -> None:
    lines = list(children.stream(["--help"]))
    assert any("demo" in line for line in lines)


def test_failure_is_told_with_the_end_of_what_it_said(children: Children) -> None:
    with pytest.raises(RekindleError, match=r"(?s)`rekindle simulate nowhere` failed:.*Missing argument"):
        children.run(["simulate", "nowhere"])


def _until_raised(look: Callable[[], object]) -> None:
    while True:
        look()


def test_process_that_ends_by_itself_is_noticed(children: Children, tmp_path: Path) -> None:
    children.start("part", ["no-such-command"])
    with pytest.raises(RekindleError, match=r"(?s)part ended by itself with status 2.*no-such-command"):
        _until_raised(children.check)
    with pytest.raises(RekindleError, match="part ended by itself"):
        _until_raised(lambda: children.has_finished("part"))
    assert "no-such-command" in (tmp_path / "logs" / "part.log").read_text()


def test_process_that_is_meant_to_end_may(children: Children) -> None:
    children.start("part", ["--help"])
    while not children.has_finished("part"):
        pass
    children.check()
    assert children.pids() == []


def test_settings_of_the_person_stay_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKINDLE_KAFKA_BOOTSTRAP_SERVERS", "of-the-person:9092")
    shown = "".join(Children(tmp_path, {"REKINDLE_CLOCK": "event"}).stream(["settings"]))
    assert "of-the-person" not in shown
    assert "event" in shown


def test_stop_and_kill_leave_nothing(tmp_path: Path, children: Children) -> None:
    out = tmp_path / "pipe"
    os.mkfifo(out)
    for name in ("first", "second"):
        children.start(name, ["demo", "input", "--out", str(out)])  # waits for a reader that never comes
    first, second = children.pids()
    children.kill("first")
    assert not _is_alive(first)
    assert _is_alive(second)
    children.stop()
    assert not _is_alive(second)
    assert json.loads((tmp_path / "children.json").read_text()) == []


def test_next_run_ends_what_a_killed_one_left(tmp_path: Path, children: Children) -> None:
    out = tmp_path / "pipe"
    os.mkfifo(out)
    children.start("part", ["demo", "input", "--out", str(out)])
    assert stop_leftovers(tmp_path) == 1
    assert stop_leftovers(tmp_path / "never") == 0
    children.stop()
