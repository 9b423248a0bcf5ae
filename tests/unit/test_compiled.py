import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams import compiled


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine of two files, in place of the real one."""
    copy = tmp_path / "engine"
    (copy / "actions").mkdir(parents=True)
    (copy / "step.py").write_text("STEP = 1\n")
    (copy / "actions/send.py").write_text("SEND = 1\n")
    monkeypatch.setattr(compiled, "ENGINE", copy)
    monkeypatch.setattr(compiled, "folder", lambda engine=copy: FOLDER(engine))
    monkeypatch.delenv(compiled.SETTING, raising=False)
    return copy


FOLDER = compiled.folder


def preferred() -> list[str]:
    path: list[str] = ["sources"]
    compiled.prefer(path)
    return path


def test_the_folder_is_named_by_what_the_sources_say(engine: Path) -> None:
    names = [compiled.folder()]
    for name in ("step.py", "actions/send.py"):
        (engine / name).write_text("EDITED = 1\n")
        names.append(compiled.folder())
    (engine / "new.py").write_text("")
    names.append(compiled.folder())
    assert len(set(names)) == len(names)
    assert compiled.folder() == names[-1]


def test_code_of_other_sources_is_never_taken(engine: Path) -> None:
    built = compiled.folder()
    built.mkdir(parents=True)
    (built / f"{compiled.GROUP}__mypyc.so").write_text("no machine code")
    with pytest.raises(ImportError):
        preferred()
    (engine / "step.py").write_text("EDITED = 1\n")
    assert preferred() == ["sources"]


def test_plain_python_where_nothing_is_compiled(engine: Path) -> None:
    assert preferred() == ["sources"]


def test_machine_code_that_is_asked_for_and_missing_is_an_error(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(compiled.SETTING, "1")
    with pytest.raises(ImportError, match=r"python -m streams\.compile_engine"):
        preferred()


def test_plain_python_is_what_is_asked_for(engine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = compiled.folder()
    built.mkdir(parents=True)
    (built / f"{compiled.GROUP}__mypyc.so").write_text("no machine code")
    monkeypatch.setenv(compiled.SETTING, "0")
    assert preferred() == ["sources"]


def test_every_module_that_is_compiled_is_there() -> None:
    assert [name for name in compiled.MODULES if not (compiled.ENGINE / f"{name}.py").is_file()] == []


def test_compiling_says_in_one_line_what_it_lacks(tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    shutil.copytree(compiled.ENGINE, engine, ignore=shutil.ignore_patterns("__pycache__"))
    (engine / "new.py").write_text("")
    command = [sys.executable, "-m", "streams.compile_engine", str(engine)]
    done = subprocess.run(command, env={"PATH": "", "CC": "none"}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("engine: plain Python, slower: ")
    assert done.stdout.count("\n") == 1
    assert not (engine / "__pycache__").exists()
