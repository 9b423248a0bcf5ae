"""The demo's own processes: the pipeline as anybody would start it, each part a `rekindle` command with its own log.

They run in sessions of their own, so that Ctrl-C reaches the demo alone, which then ends them in order. Who they are is
written to `children.json` first: should the demo itself be killed, the next one ends what it finds there.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from infra.local import processes
from infra.local.processes import Process
from streams.errors import RekindleError
from streams.settings import PREFIX

_GRACE_S = 20.0
_LOG_LINES_SHOWN = 15

Running = subprocess.Popen[str]


class Children:
    """The processes of one run; `environment` is what they see, `directory` holds logs and the list of processes."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._list = directory / "children.json"
        self._logs = directory / "logs"
        # Settings of the person's own pipeline have no place in the demo's.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        self._environment = {**inherited, "PYTHONPATH": _python_path(), **environment}
        self._running: dict[str, Running] = {}
        self._started: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}
        self._logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, arguments: Sequence[str], **settings: str) -> None:
        """Start `rekindle` with `arguments` in the background, with further REKINDLE_ `settings` by lower-case name."""
        self._started[name] = (arguments, settings)
        own = {f"{PREFIX}{key.upper()}": value for key, value in settings.items()}
        with self.log(name).open("a", encoding="utf-8") as log:
            self._running[name] = self._spawn(arguments, {**self._environment, **own}, stdout=log, stderr=log)
        self._remember()

    def restart(self, name: str) -> None:
        """Start one again as it was started first."""
        arguments, settings = self._started[name]
        self.start(name, arguments, **settings)

    def kill(self, name: str) -> None:
        """End one with SIGKILL: it cannot tidy up."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def run(self, arguments: Sequence[str]) -> None:
        """Run `rekindle` with `arguments` to its end. Raises `RekindleError` when it fails."""
        for _ in self.stream(arguments):
            pass

    def stream(self, arguments: Sequence[str]) -> Iterator[str]:
        """Run `rekindle` with `arguments` and yield its lines as they come. Raises `RekindleError` when it fails."""
        log = self.log("-".join(part for part in arguments[:2] if part.isalpha()))
        with log.open("w", encoding="utf-8") as complaints:
            process = self._spawn(arguments, self._environment, stdout=subprocess.PIPE, stderr=complaints)
            try:
                yield from process.stdout or ()
                process.wait()
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                if process.stdout is not None:
                    process.stdout.close()
        if process.returncode:
            raise RekindleError(f"`rekindle {' '.join(arguments)}` failed:\n{_end(log)}")

    def has_finished(self, name: str) -> bool:
        """Whether one that is meant to end has done so. Raises `RekindleError` if it failed."""
        status = self._running[name].poll()
        if status:
            raise RekindleError(self._why(name))
        if status == 0:
            del self._running[name]
        return status == 0

    def check(self) -> None:
        """Raise `RekindleError` with the end of its log if one has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RekindleError(self._why(name))

    def stop(self) -> None:
        """End all that run, cleanly within `_GRACE_S`, by force after that."""
        for process in self._running.values():
            process.terminate()
        deadline = time.monotonic() + _GRACE_S
        for process in self._running.values():
            try:
                process.wait(max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()
        self._remember()

    def log(self, name: str) -> Path:
        """Where a process writes what it has to say."""
        return self._logs / f"{name}.log"

    def pids(self) -> list[int]:
        """Those that run."""
        return [process.pid for process in self._running.values()]

    def _spawn(
        self, arguments: Sequence[str], environment: Mapping[str, str], *, stdout: TextIO | int, stderr: TextIO
    ) -> Running:
        command = [sys.executable, "-m", "streams", *arguments]
        return subprocess.Popen(  # noqa: S603 - our own program
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
        )

    def _why(self, name: str) -> str:
        status, log = self._running[name].returncode, self.log(name)
        return f"{name} ended by itself with status {status}; the end of its log, {log}:\n{_end(log)}"

    def _remember(self) -> None:
        found = [processes.find(pid) for pid in self.pids()]
        listed = [[process.pid, process.started] for process in found if process is not None]
        self._list.write_text(json.dumps(listed), encoding="utf-8")


def stop_leftovers(directory: Path) -> int:
    """End what an earlier demo of this folder left running; returns how many it was. Raises `RekindleError`."""
    try:
        listed = json.loads((directory / "children.json").read_text(encoding="utf-8"))
        left = [Process(pid, started) for pid, started in listed]
    except (OSError, ValueError, TypeError):
        return 0
    left = [process for process in left if processes.alive(process)]
    processes.stop(left, grace_s=_GRACE_S)
    return len(left)


def _python_path() -> str:
    project = str(Path(__file__).parent.parent.parent)
    return os.pathsep.join(part for part in (project, os.environ.get("PYTHONPATH")) if part)


def _end(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()
    return "\n".join(lines[-_LOG_LINES_SHOWN:]) or "(it wrote nothing)"
