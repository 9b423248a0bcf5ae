"""All tests, in two sessions side by side: `python -m tests`, which is what `make test` runs.

Most of the time of the tests that work with whole workers is waiting: for sessions that expire, brokers that come
back. One core decides and one waits, so two sessions, each with services of its own, take little more than the longer
one. The first is shown as it goes; what the second says follows when it has ended.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
WORKERS = sorted(str(path) for path in [*HERE.glob("integration/test_*.py"), *HERE.glob("acceptance/test_*.py")])


def main() -> int:
    """Run both; the exit status is 0 only if both pass."""
    pytest = [sys.executable, "-m", "pytest"]
    others = [argument for path in WORKERS for argument in ("--ignore", path)]
    with tempfile.TemporaryFile() as said:
        beside = subprocess.Popen([*pytest, *others], stdout=said, stderr=subprocess.STDOUT)
        try:
            first = subprocess.run([*pytest, *WORKERS], check=False).returncode
            print("the other tests, which ran beside those above:", flush=True)
            second = beside.wait()
        finally:
            beside.terminate()
            beside.wait()
            said.seek(0)
            sys.stdout.flush()
            sys.stdout.buffer.write(said.read())
            sys.stdout.flush()
    return first or second


if __name__ == "__main__":
    sys.exit(main())
