"""Sessions that share their tests take each module once, and keep what several of their modules need."""

import subprocess
import sys
from pathlib import Path

from tests.share import VARIABLE
from tests.support import program_environment

CONFTEST = """
import pytest
@pytest.fixture(scope="session")
def once(): print("up"); yield; print("down")
"""
MODULE = "def test_one(once): print({name!r})\ndef test_two(once): print({name!r})\n"


def test_what_another_session_has_taken_is_left_to_it(tmp_path: Path) -> None:
    taken, tests = tmp_path / "taken", tmp_path / "tests"
    taken.mkdir()
    for name in ("a/test_a.py", "b/test_b.py", "b/test_c.py", "test_d.py"):
        (tests / name).parent.mkdir(exist_ok=True, parents=True)
        (tests / name).write_text(MODULE.format(name=name))
    (tests / "conftest.py").write_text(CONFTEST)
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.share", "--rootdir", tests, tests]
    (taken / "b-test_b.py").touch()  # by another session
    said = [
        subprocess.run(
            command, env=program_environment({VARIABLE: str(taken)}), capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    assert [said[0].stdout.count(word) for word in ("up", "down")] == [1, 1]
    assert [said[0].stdout.count(name) for name in ("test_a.py", "test_b.py", "test_c.py", "test_d.py")] == [2, 0, 2, 2]
    assert "test_" not in said[1].stdout
