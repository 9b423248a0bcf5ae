"""Free ports on the loopback interface, below the range from which outgoing connections take theirs.

A port that is free now may be taken before its service listens. Ports from the ephemeral range (what binding to port
0 gives) are taken by any connection that somebody opens; of those below it, picked at random, hardly ever.
"""

import random
import socket

from streams.errors import RekindleError

HOST = "127.0.0.1"
RANGE = range(20_000, 30_000)
ATTEMPTS_MAX = 200


def choose(count: int) -> list[int]:
    """So many different free ports. Raises `RekindleError` when none can be found."""
    chosen: list[int] = []
    for _ in range(ATTEMPTS_MAX):
        port = random.choice(RANGE)  # noqa: S311 - no secret
        if port not in chosen and is_free(port):
            chosen.append(port)
        if len(chosen) == count:
            return chosen
    raise RekindleError(f"no free ports between {RANGE.start} and {RANGE.stop} on {HOST}")


def is_free(port: int) -> bool:
    """Whether a service could listen there now (as servers do, past connections that are still closing)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
