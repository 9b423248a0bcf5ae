"""Processes that end together, and points at which one dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support import program_environment, until

SLEEP = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit({status})); signal.pause()"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "open('/proc/self/comm', 'w').write('deaf'); signal.pause()"
)
SUPERVISE = """
import os, sys
from streams.runtime import supervise
supervise.STOP_SECONDS_MAX = float(os.environ.get("STOP_SECONDS_MAX", supervise.STOP_SECONDS_MAX))
commands = {f"{place}": [sys.executable, "-c", code] for place, code in enumerate(sys.argv[1:])}
sys.exit(supervise.supervise(commands, [dict(os.environ)] * len(commands)))
"""
ORPHAN = "import os; from streams.runtime.supervise import die_with_parent; die_with_parent({parent}); {then}"


def start(*codes: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SUPERVISE, *codes], env=program_environment(environment))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def catches_term(pid: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = int(next(line for line in lines if line.startswith("SigCgt")).split()[1], 16)
    return bool(caught & (1 << (signal.SIGTERM - 1)))


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return not status.exists() or "State:\tZ" in status.read_text()


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (3, 1)])
def test_a_signal_reaches_all_and_the_status_is_of_all(status: int, expected: int) -> None:
    parent = start(SLEEP.format(status=0), SLEEP.format(status=status))
    until(lambda: len(children(parent.pid)) == 2 and all(map(catches_term, children(parent.pid))), 20)
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == expected


def test_children_that_do_not_listen_are_killed_together_not_one_after_the_other() -> None:
    parent = start(DEAF, DEAF, DEAF, STOP_SECONDS_MAX="3")
    until(lambda: [Path(f"/proc/{each}/comm").read_text() for each in children(parent.pid)] == ["deaf\n"] * 3, 20)
    asked = time.monotonic()
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(20) == 1
    assert time.monotonic() - asked < 6


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("pass", b"stage 0 ended with status 0"),
        ("raise SystemExit(3)", b"stage 0 ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", b"stage 0 was ended by SIGKILL"),
    ],
)
def test_one_that_ends_takes_the_others_with_it_and_is_named(code: str, said: bytes) -> None:
    command = [sys.executable, "-c", SUPERVISE, code, SLEEP.format(status=0)]
    done = subprocess.run(command, env=program_environment(), capture_output=True, timeout=20, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith(said)


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = ORPHAN.format(
        parent="os.getppid()", then=f"open({str(tmp_path / 'up')!r}, 'w').close(); __import__('signal').pause()"
    )
    parent = start(code)
    until((tmp_path / "up").exists, 20)
    (child,) = children(parent.pid)
    parent.kill()
    parent.wait(10)
    until(lambda: is_gone(child), 10, "the end of the child")


def test_a_child_whose_parent_is_gone_already_dies_at_once() -> None:
    code = ORPHAN.format(parent=os.getpid() + 1_000_000, then="print('alive')")
    done = subprocess.run([sys.executable, "-c", code], env=program_environment(), capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def test_a_fault_point_kills_at_the_passing_that_was_asked_for() -> None:
    code = (
        "from streams.runtime.fault_points import pass_point\n"
        "for number in range(5):\n"
        "    pass_point('ingest', 'committed'); pass_point('members', 'stored'); print(number, flush=True)"
    )
    environment = program_environment({"REKINDLE_FAULT": "members.stored:3"})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"0\n1\n")
