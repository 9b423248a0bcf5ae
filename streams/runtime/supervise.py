"""All stages of a worker on one machine: a process each, which live and end together.

Faust apps in one process would share one interpreter lock and one event loop; processes share nothing. The
parent only passes signals on and waits. A child that loses its parent, even to SIGKILL, is killed by the kernel
(Linux); a child that ends takes the others with it, and the worker fails, saying which it was and how it ended.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

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


def supervise(commands: Mapping[str, Sequence[str]], environments: Sequence[dict[str, str]]) -> int:
    """Run these commands, by stage, until a signal comes; returns the exit status of the whole.

    Raises `RekindleError` when one has ended by itself.
    """
    asked = []

    def ask(number: int, _frame: object) -> None:
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    try:
        children = [
            subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603 - our own program
            for command, environment in zip(commands.values(), environments, strict=True)
        ]
    except OSError as error:
        raise RekindleError(f"the stages cannot be started: {error.strerror}") from error
    while not asked and all(child.poll() is None for child in children):
        time.sleep(POLL_SECONDS)
    ended = [
        f"stage {stage} {_said(child.returncode)}"
        for stage, child in zip(commands, children, strict=True)
        if child.returncode is not None
    ]
    for child in children:
        child.terminate()
    deadline = time.monotonic() + STOP_SECONDS_MAX  # of all: they were told at once
    statuses = [_wait(child, deadline) for child in children]
    if not asked:
        raise RekindleError("; ".join(ended))
    return 0 if all(status == 0 for status in statuses) else 1


def _said(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def _wait(child: subprocess.Popen[bytes], deadline: float) -> int:
    try:
        return child.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
