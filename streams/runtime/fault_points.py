"""Named points at which a test may kill or hang the process, as a power cut would: in a commit, in recovery, anywhere.

`REKINDLE_FAULT="members.committed:3"` ends the process with SIGKILL when it passes that point for the third time;
`members.committed:3:hang` leaves it there for ever, as a deadlock would. The variable is read once, at import; without
it a point costs one comparison.
"""

import os
import signal
import threading

VARIABLE = "REKINDLE_FAULT"
NAMES = (
    "recovering",  # a store of the stage is being brought up to its changelog: states, or the table of links and keys
    "decided",  # a segment's next list was decided, nothing of it is published yet
    "handled",  # a batch was handled in memory, nothing is written yet
    "produced",  # its records are in the producer, the transaction is open
    "offsets_sent",  # the input offsets are part of the transaction
    "committed",  # the transaction is committed, the local state is still the old one
    "stored",  # the local state is written
)


def _configured() -> tuple[str, int, bool]:
    name, count, manner = [*os.environ.get(VARIABLE, "").split(":"), "", ""][:3]
    return name, int(count or 1), manner == "hang"


_name, _remaining, _hangs = _configured()


def pass_point(stage: str, point: str) -> None:
    """Go on, or die here if the environment asked for it. `point` is one of `NAMES`."""
    global _remaining  # noqa: PLW0603 - a countdown of this process
    if _name == "" or _name != f"{stage}.{point}":
        return
    _remaining -= 1
    if _remaining == 0 and _hangs:
        threading.Event().wait()
    if _remaining == 0:
        os.kill(os.getpid(), signal.SIGKILL)
