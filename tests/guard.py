"""Ends what a test session started once the session is gone, even if it was killed: its end closes our input.

Lines on stdin: `process<TAB>pid<TAB>start time` and `services<TAB>folder`.
"""

import signal
import sys
from pathlib import Path

from infra import local
from infra.local import processes

GRACE_S = 10.0


def main() -> None:
    """Note what comes in; at the end of input, end it all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watched: list[processes.Process] = []
    folders: list[Path] = []
    for line in sys.stdin:
        kind, *rest = line.rstrip("\n").split("\t")
        if kind == "process":
            watched.append(processes.Process(int(rest[0]), rest[1]))
        else:
            folders.append(Path(rest[0]))
    processes.stop(watched, grace_s=GRACE_S)
    for folder in folders:
        local.down(folder)


if __name__ == "__main__":
    main()
