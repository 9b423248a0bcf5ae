"""Apache Kafka: one broker that is its own controller (KRaft), from the jars that a Kafka distribution holds.

The quorum's voter stands in the configuration (not in the storage, as with `--standalone`): so the controller's port
may be another one at the next start.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from infra.local import ports
from infra.local.artifacts import Artifact
from infra.local.kafka_fence import fence, was_killed
from infra.local.service import SETTINGS, Place, Program, java, java_environment, java_options
from streams.errors import RekindleError

HEAP_MIB = 384
CLUSTER_ID = "cmVraW5kbGUtbG9jYWwtMQ"  # 16 bytes in base64; one cluster per folder, so it needs no randomness
FORMAT_TIMEOUT_S = 60
METADATA_TIMEOUT_S = 1.0


class Kafka:
    """The broker."""

    name = "kafka"
    ports = ("broker", "controller")

    def artifacts(self, pinned: list[Artifact]) -> list[Artifact]:
        """All jars: what isn't Kafka's is the registry's single archive."""
        return [artifact for artifact in pinned if artifact.packaging == "jar"]

    def prepare(self, place: Place) -> Program:
        """Write `server.properties`; format the data folder the first time. Raises `RekindleError`."""
        data = place.directory / "data"
        broker, controller = place.ports["broker"], place.ports["controller"]
        properties = place.directory / "server.properties"
        properties.write_text(
            (SETTINGS / "kafka.properties").read_text(encoding="utf-8")
            + f"""
# Added by `rekindle local up`.
listeners=PLAINTEXT://{ports.HOST}:{broker},CONTROLLER://{ports.HOST}:{controller}
advertised.listeners=PLAINTEXT://{ports.HOST}:{broker}
controller.quorum.voters=1@{ports.HOST}:{controller}
log.dirs={_escape(data)}
""",
            encoding="utf-8",
        )
        classpath = os.pathsep.join(str(path) for path in place.artifacts.values() if path.suffix == ".jar")
        machine = [java(), *java_options(place.directory, HEAP_MIB)]
        machine += [f"-Dlog4j2.configurationFile={(SETTINGS / 'log4j2.properties').as_uri()}", "-cp", classpath]
        if not (data / "meta.properties").exists():
            tool = [*machine, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
            done = subprocess.run(  # noqa: S603 - our own command
                tool, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S, check=False, env=java_environment()
            )
            if done.returncode != 0:
                raise RekindleError(f"kafka's storage cannot be formatted:\n{(done.stderr or done.stdout).strip()}")
        elif was_killed(data):
            fence(machine, java_environment(), place.directory, controller)
        return Program([*machine, "kafka.Kafka", str(properties)], java_environment())

    def is_ready(self, place: Place) -> bool:
        """Whether the broker answers with itself in the cluster's metadata (it listens before it takes requests)."""
        from confluent_kafka import KafkaException  # noqa: PLC0415 - librdkafka takes a while to load
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415

        port = place.ports["broker"]
        if not ports.answers(port):
            return False
        client = AdminClient({"bootstrap.servers": f"{ports.HOST}:{port}", "log_level": 0})
        try:
            return bool(client.list_topics(timeout=METADATA_TIMEOUT_S).brokers)
        except KafkaException:
            return False

    def address(self, ports: Mapping[str, int]) -> str:
        """host:port of the broker."""
        return f"127.0.0.1:{ports['broker']}"


def _escape(path: Path) -> str:
    """Spell a path as Java reads it from a properties file: Latin-1, a backslash escapes. Raises `RekindleError`."""
    text = str(path)
    if "," in text:
        raise RekindleError(f"{text}: kafka takes a comma in the name of its folder for two folders")
    return text.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()
