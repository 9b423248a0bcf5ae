"""How much memory the demo and everything that it started occupy, where the operating system tells (Linux)."""

import os
from pathlib import Path

_PROC = Path("/proc")


def resident_bytes() -> int:
    """Resident memory of this process and all its descendants; shared pages count once for each; 0 if unknown."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            stat = entry.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        parent = int(stat[stat.rindex(")") + 2 :].split()[1])
        children.setdefault(parent, []).append(int(entry.parent.name))
    total, waiting = 0, [os.getpid()]
    while waiting:
        pid = waiting.pop()
        total += _resident_bytes(pid)
        waiting += children.get(pid, [])
    return total


def _resident_bytes(pid: int) -> int:
    try:
        pages = int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
