"""`make bench`: run every benchmark of this folder, each alone in a process of its own, and write build/bench.json.

A benchmark is a module that prints a JSON object, {benchmark: {system: figure}}, when it is run. Those named on the
command line are run, else all; figures of the others stay in the file.
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
RESULT = HERE.parent / "build/bench.json"


def benchmarks() -> list[str]:
    """Names of the benchmarks, in order of the alphabet."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.name.startswith("_"))


def run(name: str) -> dict[str, dict[str, float]]:
    """The figures of one benchmark. Raises `SystemExit` with its error when it fails."""
    print(f"bench.{name} ...", file=sys.stderr, flush=True)
    done = subprocess.run([sys.executable, "-m", f"bench.{name}"], stdout=subprocess.PIPE, check=False, cwd=HERE.parent)
    if done.returncode != 0:
        raise SystemExit(f"bench.{name} failed with exit status {done.returncode}")
    figures: dict[str, dict[str, float]] = json.loads(done.stdout)
    return figures


def main(chosen: list[str]) -> None:
    """Run them one after the other; the file is written after each."""
    unknown = sorted(set(chosen) - set(benchmarks()))
    if unknown:
        raise SystemExit(f"no benchmark {', '.join(unknown)}: there are {', '.join(benchmarks())}")
    figures = json.loads(RESULT.read_text()) if chosen and RESULT.exists() else {}
    for name in chosen or benchmarks():
        figures.update(run(name))
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(figures, indent=2) + "\n")
    print(RESULT.read_text(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
