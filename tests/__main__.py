"""All tests, in three sessions side by side: `python -m tests`, which is what `make test` runs.

Most of the time of tests that need services is waiting: for sessions that expire, brokers that come back. One core
decides and one waits, so two sessions, each with services of its own, take little more than half as long as one; they
share the modules (`tests.share`). The third reckons meanwhile, and yields to them: all that needs no services in plain
Python, then, where it is compiled, what holds engine and codec to the contract once more; then it takes its share, too.

The first is shown as it goes; what the others say follows when it has ended.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.compiled import PARTS, SETTING
from tests.share import VARIABLE

HERE = Path(__file__).parent
WITH_SERVICES = [str(HERE / each) for each in ("acceptance", "contracts", "integration")]
OTHERS = [f"--ignore={each}" for each in WITH_SERVICES]
COMPILED = "simulation model properties replay/test_replay.py unit/engine unit/schemas unit/profiles"
PYTEST = [sys.executable, "-m", "pytest"]
YIELDING = ["nice", "-n", "5", *PYTEST]

Session = tuple[Sequence[str], Mapping[str, str]]
"""A command, and what is added to its environment."""


def main() -> int:
    """Run all; the exit status is 0 only if all pass."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        sharing: Session = ([*PYTEST, "--durations=8", "-p", "tests.share", *WITH_SERVICES], {VARIABLE: folder})
        beside = [pool.submit(_run, [sharing]), pool.submit(_run, [*_reckoning(), sharing])]
        statuses = [subprocess.run(sharing[0], env=os.environ | sharing[1], check=False).returncode]
        print("the other tests, which ran beside those above:", flush=True)
        for each in beside:
            more, said = each.result()
            statuses += more
            sys.stdout.flush()
            sys.stdout.buffer.write(said)
            sys.stdout.flush()
    return max(statuses, key=abs)


def _reckoning() -> list[Session]:
    plain: Session = ([*YIELDING, *OTHERS], {})
    if not all(part.folder().is_dir() for part in PARTS):
        print("the engine isn't compiled here, so the compiled one isn't tested", file=sys.stderr, flush=True)
        return [plain]
    return [plain, ([*YIELDING, *(str(HERE / each) for each in COMPILED.split())], {SETTING: "1"})]


def _run(sessions: Sequence[Session]) -> tuple[list[int], bytes]:
    """Run them one after the other; return their statuses, and what they said."""
    done = [
        subprocess.run(command, env=os.environ | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        for command, more in sessions
    ]
    return [each.returncode for each in done], b"".join(each.stdout for each in done)


if __name__ == "__main__":
    sys.exit(main())
