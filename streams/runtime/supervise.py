"""All stages of a worker on one machine: a process each, which live and end together.

Faust apps in one process would share one interpreter lock and one event loop; processes share nothing. The
parent only passes signals on and waits. A child that loses its parent, even to SIGKILL, is killed by the kernel
(Linux); a child that ends takes the others with it, and the worker ends with its status.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

from streams.errors import RekindleError

PR_SET_PDEATHSIG = 1
STOP_SECONDS_MAX = 9.5
POLL_SECONDS = 0.05


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends; `parent` is the parent's pid as it was at the start."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def supervise(commands: Sequence[Sequence[str]], environments: Sequence[dict[str, str]]) -> int:
    """Run these commands until one ends or a signal comes; returns the exit status of the whole."""
    asked = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    try:
        children = [
            subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - our own program
            for command, environment in zip(commands, environments, strict=True)
        ]
    except OSError as error:
        raise RekindleError(f"the stages cannot be started: {error.strerror}") from error
    while not asked and all(child.poll() is None for child in children):
        time.sleep(POLL_SECONDS)
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX  # of all: they were told at once
    statuses = [_wait(child, deadline) for child in children]
    return 0 if all(status == 0 for status in statuses) and asked else 1


def _wait(child: subprocess.Popen[bytes], deadline: float) -> int:
    try:
        return child.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
