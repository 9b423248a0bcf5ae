"""Processes in the background: started in a session of their own, known by pid and start time, ended for certain.

A pid alone proves nothing: it may have been given to another process since (after a reboot, say). Every process is
remembered with the moment it started, as the operating system tells it, and nothing else is ever signalled.

`posix_spawn` instead of `subprocess`: the process outlives us, so there is nobody to wait for it; a zombie that is our
own child is reaped when it is looked at.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from streams.errors import RekindleError

POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Process:
    """One process that we started: `started` is opaque, unique per pid and machine."""

    pid: int
    started: str


def start(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Process:
    """Start a program in its own session, output appended to `log`. Raises `RekindleError` when it cannot be run."""
    out = (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    actions = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), out, (os.POSIX_SPAWN_DUP2, 1, 2)]
    try:
        pid = os.posix_spawn(command[0], list(command), dict(environment), file_actions=actions, setsid=True)
    except OSError as error:
        raise RekindleError(f"cannot start {command[0]}: {error.strerror}") from error
    return find(pid) or Process(pid, "gone")


def find(pid: int) -> Process | None:
    """Identify a process that runs now; None when there is none of this pid."""
    started = _start_time(pid)
    return None if started is None else Process(pid, started)


def alive(process: Process) -> bool:
    """Whether it still runs: the same process, not another that got its pid."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, os.WNOHANG)
    return _start_time(process.pid) == process.started


def stop(processes: Sequence[Process], *, grace_s: float) -> None:
    """End all at once: TERM, after `grace_s` KILL. Raises `RekindleError` when one is still there after that."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    left = _wait(processes, grace_s)
    for process in left:
        _signal(process, signal.SIGKILL)
    if stuck := _wait(left, grace_s):
        raise RekindleError(f"processes {', '.join(str(process.pid) for process in stuck)} cannot be ended")


def resident_bytes(process: Process) -> int | None:
    """Memory that it occupies, where the operating system tells (Linux)."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _wait(processes: Sequence[Process], seconds: float) -> list[Process]:
    deadline = time.monotonic() + seconds
    left = [process for process in processes if alive(process)]
    while left and time.monotonic() < deadline:
        time.sleep(POLL_S)
        left = [process for process in left if alive(process)]
    return left


def _signal(process: Process, number: signal.Signals) -> None:
    if alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, number)


def _start_time(pid: int) -> str | None:
    """Return the moment that the process started, None when it is gone or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None if Path("/proc/self/stat").exists() else _start_time_by_ps(pid)
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""  # some sandboxes hide it; then only a reboot could make two processes look the same
    # The name in parentheses may hold blanks: fields are counted from behind it; state is 3rd, start time 22nd.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def _start_time_by_ps(pid: int) -> str | None:
    command = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603 - fixed
    return None if not answer or answer[0].startswith("Z") else " ".join(answer[1:])
