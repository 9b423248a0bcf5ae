"""After a kill -9: the controller alone, for a moment, until it knows that the broker of before is gone.

A broker that is its own controller and is started again at once takes itself for the leader of every partition, as it
stood in the metadata, and goes on with the transactions that were decided: their markers have still to be written. Some
seconds later the controller notices that this registration is the dead one's, and for a moment no partition has a
leader. Kafka 4.3 takes a partition without a leader for one that was deleted, and leaves the marker out ("these
partitions are likely deleted already and hence can be skipped"): the transaction counts as complete and yet stays open
in the partition for ever. Readers of committed records stop before it, and offsets that it carries cannot be read.

Here the metadata says that there is no leader before the broker starts, so it begins with the transactions only when it
leads again. It saves time, too: the broker would have waited for the end of the dead one's session (9 s).
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.local import ports, processes
from infra.local.service import SETTINGS

SESSION_MS = 1_000
START_SECONDS_MAX = 30.0
FENCED_SECONDS_MAX = 5.0
END_SECONDS_MAX = 20.0
CLEAN = ".kafka_cleanshutdown"
_METADATA = "__cluster_metadata-0"
_LOGGING = "org.apache.kafka.controller.ReplicationControlManager"
LOG = "controller.log"
SAYS = b"because its session has timed out"
_ACTIVE = b"Performing controller activation"


def was_killed(data: Path) -> bool:
    """Tell whether the broker of this folder ended without saying so."""
    return (data / _METADATA).exists() and not (data / CLEAN).exists()


def fence(machine: Sequence[str], environment: Mapping[str, str], directory: Path, controller_port: int) -> None:
    """Run the controller until the dead broker's session is over; does nothing if it doesn't start."""
    properties = directory / "controller.properties"
    properties.write_text(
        (directory / "server.properties").read_text(encoding="utf-8")
        + f"""
# Alone, to notice that the broker is gone.
process.roles=controller
listeners=CONTROLLER://{ports.HOST}:{controller_port}
advertised.listeners=CONTROLLER://{ports.HOST}:{controller_port}
broker.session.timeout.ms={SESSION_MS}
broker.heartbeat.interval.ms={SESSION_MS // 4}
""",
        encoding="utf-8",
    )
    logging = directory / "controller-log4j2.properties"
    logging.write_text(
        (SETTINGS / "log4j2.properties").read_text(encoding="utf-8")
        + f"logger.fence.name={_LOGGING}\nlogger.fence.level=info\n",
        encoding="utf-8",
    )
    command = [f"-Dlog4j2.configurationFile={logging.as_uri()}" if "log4j2" in each else each for each in machine]
    log = directory / LOG
    log.unlink(missing_ok=True)
    process = processes.start([*command, "kafka.Kafka", str(properties)], environment, log)
    try:
        _await(process, log)
    finally:
        processes.stop([process], grace_s=END_SECONDS_MAX)


def _await(process: processes.Process, log: Path) -> None:
    """Wait until it says that the session is over; in vain if it knew that already."""
    deadline = time.monotonic() + START_SECONDS_MAX
    is_active = False
    while time.monotonic() < deadline and processes.alive(process):
        said = log.read_bytes() if log.exists() else b""
        if SAYS in said:
            return
        if not is_active and _ACTIVE in said:
            is_active, deadline = True, time.monotonic() + FENCED_SECONDS_MAX
        time.sleep(processes.POLL_S)
