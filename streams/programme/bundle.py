"""A campaign directory as one value: the texts of its files by their paths, uploaded lists included.

It is what travels to the workers, so it holds only what the programme reads: the YAML files of the contract (§3) and
the CSV files that segments name. Tests (`*_test.yaml`) and `gateways.yaml` stay behind. So does a sub-directory that is
a programme of its own and says so by an (empty) file `.programme`: the library beside the campaigns that run. It takes
that mark, and not just a `policies.yaml` there, so that a misplaced file is a mistake and no campaigns vanish by it.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from streams.programme.problems import Problem, ProblemsError
from streams.programme.yaml_text import Document, read_yaml

Bundle = dict[str, str]
POLICIES, COUNTERS = "policies.yaml", "counters.yaml"
TEMPLATES, SEGMENTS, POLLS = "templates", "segments", "polls"
OWN_PROGRAMME = ".programme"


def read_directory(path: Path | str) -> Bundle:
    """The directory's files. Raises `ProblemsError` if there is none, or a file isn't readable text."""
    bundle, problems = read_files(path)
    if problems:
        raise ProblemsError(problems)
    return bundle


def read_files(path: Path | str) -> tuple[Bundle, list[Problem]]:
    """The directory's files, and what is wrong with those that can't be read."""
    root = Path(path)
    if not root.is_dir():
        raise ProblemsError([Problem(str(path), 1, 1, "", "expected a directory of campaigns")])
    bundle: Bundle = {}
    problems: list[Problem] = []
    for file in files_of(root):
        name = file.relative_to(root).as_posix()
        if file.suffix == ".yml":
            problems.append(Problem(name, 1, 1, "", "isn't read: name it .yaml", "warning"))
        elif is_definition(name):
            _read(root, name, bundle, problems)
    for name, text in list(bundle.items()):
        if is_below(name, SEGMENTS):
            document = read_yaml(text, name)
            found = members_file(name, document.data)
            if found is not None and found not in bundle and (root / found).is_file():
                _read(root, found, bundle, problems)
    return bundle, problems


def files_of(root: Path) -> Iterator[Path]:
    """The files of the directory, sorted: not hidden ones, nor those of a programme of its own inside."""
    others = {mark.parent for mark in root.rglob(OWN_PROGRAMME)} - {root}
    for file in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(root).parts)
        if not hidden and others.isdisjoint(file.parents) and file.is_file():
            yield file


def is_definition(name: str) -> bool:
    """Whether the file of this path is one that the programme reads."""
    last = PurePosixPath(name).name
    return last.endswith(".yaml") and not last.endswith("_test.yaml") and last != "gateways.yaml"


def is_below(name: str, folder: str) -> bool:
    """Whether the path is in that folder of the directory."""
    return name.startswith(f"{folder}/")


def members_file(segment_file: str, data: object) -> str | None:
    """The path of the list that a segment's file names, beside it; None if it names none, or one outside."""
    named = data.get("members_file") if isinstance(data, dict) else None
    if not isinstance(named, str):
        return None
    path = PurePosixPath(named)
    if path.is_absolute() or ".." in path.parts:
        return None
    return str(PurePosixPath(segment_file).parent / path)


def _read(root: Path, name: str, bundle: Bundle, problems: list[Problem]) -> None:
    try:
        data = (root / name).read_bytes()
    except OSError as error:
        problems.append(Problem(name, 1, 1, "", f"can't be read: {error.strerror}"))
        return
    try:
        bundle[name] = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        problems.append(Problem(name, line, column, "", "isn't text in UTF-8"))


__all__ = ["Bundle", "Document", "read_directory", "read_files"]
