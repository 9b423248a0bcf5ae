import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams import compiled

PART = compiled.Part("engine", "rekindle_some", ("step",))


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of two files."""
    copy = tmp_path / "engine"
    (copy / "actions").mkdir(parents=True)
    (copy / "step.py").write_text("STEP = 1\n")
    (copy / "actions/send.py").write_text("SEND = 1\n")
    monkeypatch.setattr(compiled, "ROOT", tmp_path)
    monkeypatch.delenv(compiled.SETTING, raising=False)
    return copy


def preferred() -> list[str]:
    path: list[str] = ["sources"]
    compiled.prefer(path, PART)
    return path


def test_the_folder_is_named_by_what_the_sources_say(engine: Path) -> None:
    names = [PART.folder(engine.parent)]
    for name in ("step.py", "actions/send.py"):
        (engine / name).write_text("EDITED = 1\n")
        names.append(PART.folder(engine.parent))
    (engine / "new.py").write_text("")
    names.append(PART.folder(engine.parent))
    assert len(set(names)) == len(names)
    assert PART.folder(engine.parent) == names[-1]


def test_a_module_that_is_to_be_compiled_too_gives_another_folder(engine: Path) -> None:
    more = PART._replace(modules=("step", "new"))
    assert more.folder(engine.parent) != PART.folder(engine.parent)


def test_code_of_other_sources_is_never_taken(engine: Path) -> None:
    built = PART.folder(engine.parent)
    built.mkdir(parents=True)
    (built / f"{PART.group}__mypyc.so").write_text("no machine code")
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
    built = PART.folder(engine.parent)
    built.mkdir(parents=True)
    (built / f"{PART.group}__mypyc.so").write_text("no machine code")
    monkeypatch.setenv(compiled.SETTING, "0")
    assert preferred() == ["sources"]


def test_every_module_that_is_compiled_is_there() -> None:
    for part in compiled.PARTS:
        assert [name for name in part.modules if not (compiled.ROOT / part.package / f"{name}.py").is_file()] == []


def test_compiling_says_in_one_line_of_a_part_what_it_lacks(tmp_path: Path) -> None:
    for part in compiled.PARTS:
        copy = tmp_path / part.package
        shutil.copytree(compiled.ROOT / part.package, copy, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / "new.py").write_text("")
    command = [sys.executable, "-m", "streams.compile_engine", str(tmp_path)]
    done = subprocess.run(command, env={"PATH": "", "CC": "none"}, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [part.package for part in compiled.PARTS]
    assert all("plain Python, slower: " in line for line in lines)
    assert not list(tmp_path.rglob("__pycache__"))
