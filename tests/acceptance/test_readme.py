"""The README tells the truth: its commands run as printed, its output is what comes out, its links lead somewhere.

Console blocks after `<!-- run -->` make one bash session, run in a folder that looks like a fresh clone after
`make setup` (links to the repository, a `build` of its own). Lines without `$` are output; `…` stands for anything.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import local
from tests.support import ROOT, program_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(<!-- run -->\n)?```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(#[^)]*)?\)")
SECONDS = 240


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def runnable() -> list[str]:
    return [block for marked, block in BLOCK.findall(README) if marked]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A folder with links to everything in the repository but what it builds; services started in it are ended."""
    folder = tmp_path / "rekindle"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {"build", ".git"}:
            (folder / entry.name).symlink_to(entry)
    yield folder
    local.down(folder / "build/local")


def test_commands_that_are_not_run_here_name_targets_that_exist() -> None:
    others = [command for marked, block in BLOCK.findall(README) if not marked for command in commands(block)]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert others
    assert {command.split()[0] for command in others} == {"make"}
    assert {command.split()[1] for command in others} <= targets


@pytest.mark.services
def test_commands_run_as_printed(clone: Path) -> None:
    lines = [line for block in runnable() for line in commands(block)]
    script = "\n".join(["set -euo pipefail", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT", *lines])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=clone,
        env=program_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    logs = "".join(f"--- {path.name}\n{path.read_text()[-2000:]}" for path in clone.glob("build/*.log"))
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{logs}"
    printed = [line for block in runnable() for line in block.splitlines() if not line.startswith("$ ")]
    shown = done.stdout.splitlines()
    missing = [line for line in printed if not any(_stands_for(line, real) for real in shown)]
    assert missing == [], done.stdout
    assert all(row.state == "down" for row in local.status(clone / "build/local"))


def _stands_for(line: str, real: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, line.split("…"))), real) is not None


@pytest.mark.parametrize("path", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = [
        target for target, _ in LINK.findall(path.read_text(encoding="utf-8")) if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_decision_is_listed() -> None:
    architecture = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    records = sorted(path.name for path in (ROOT / "docs/adr").glob("*.md"))
    assert [name for name in records if f"(adr/{name})" not in architecture] == []
    assert [int(name[:4]) for name in records] == list(range(1, len(records) + 1))
