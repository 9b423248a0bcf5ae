import sys
from pathlib import Path

import pytest

from infra.local import processes
from infra.local.processes import Process
from streams.errors import RekindleError
from tests.support import until

ENDS_ON_TERM = "import time; print('ready', flush=True); time.sleep(60)"
IGNORES_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + ENDS_ON_TERM


def start(code: str, log: Path) -> Process:
    process = processes.start([sys.executable, "-c", code], {}, log)
    until(lambda: log.exists() and "ready" in log.read_text(encoding="utf-8"), 10)
    return process


@pytest.mark.parametrize("code", [ENDS_ON_TERM, IGNORES_TERM])
def test_a_process_is_ended_for_certain(tmp_path: Path, code: str) -> None:
    process = start(code, tmp_path / "log")
    assert processes.alive(process)
    assert (processes.resident_bytes(process) or 0) > 1_000_000
    processes.stop([process], grace_s=0.5)
    assert not processes.alive(process)


def test_it_survives_us_in_a_session_of_its_own(tmp_path: Path) -> None:
    code = "import os; print('ready', os.getsid(0) == os.getpid(), flush=True)"
    start(code, tmp_path / "log")
    assert (tmp_path / "log").read_text(encoding="utf-8") == "ready True\n"


def test_a_process_that_got_the_pid_since_is_never_ended(tmp_path: Path) -> None:
    process = start(ENDS_ON_TERM, tmp_path / "log")
    earlier = Process(process.pid, "an earlier start")
    assert not processes.alive(earlier)
    processes.stop([earlier], grace_s=0.5)
    assert processes.alive(process)
    processes.stop([process], grace_s=0.5)


def test_one_that_ended_by_itself_is_not_alive(tmp_path: Path) -> None:
    process = start("print('ready', flush=True)", tmp_path / "log")
    until(lambda: not processes.alive(process), 10)
    assert processes.find(process.pid) is None


def test_a_program_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RekindleError, match="cannot start /no/such/program: No such file"):
        processes.start(["/no/such/program"], {}, tmp_path / "log")
