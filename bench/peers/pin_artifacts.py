"""`python -m bench.peers.pin_artifacts`: write `kafka_streams.txt` anew: what the Java peer is compiled and run with.

As `infra.local.pin_artifacts`: every file is pinned with its sha256. Kafka's own jars are the broker's.
"""

import sys
import tempfile
from pathlib import Path

from infra.local.artifacts import read_list, sha256_of
from infra.local.download import READ_TIMEOUT_S

LIST = Path(__file__).parent / "kafka_streams.txt"
ROOTS = ("org.apache.kafka:kafka-streams:4.3.1", "org.apache.avro:avro:1.12.1", "org.eclipse.jdt:ecj:3.44.0")


def main() -> None:
    """Resolve, download, hash, write; what the broker has already keeps the broker's version."""
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional dependency

    found = {(each.group, each.name): f"{each.coordinate} {each.size_bytes} {each.sha256}" for each in read_list()}
    used = set()
    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(folder), timeout=READ_TIMEOUT_S)
        for root in ROOTS:
            inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
            for artifact in (dependency.artifact for dependency in [*inputs, *transitive]):
                name = (artifact.groupId, artifact.artifactId)
                used.add(name)
                if name not in found:
                    path = artifact.resolve()
                    coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
                    found[name] = f"{coordinate} {path.stat().st_size} {sha256_of(path)}"
    heading = "# What the Kafka Streams peer needs; written by `python -m bench.peers.pin_artifacts`."
    LIST.write_text("\n".join([heading, *sorted(found[name] for name in used)]) + "\n", encoding="utf-8")
    sys.stderr.write(f"{len(used)} artifacts in {LIST}\n")


if __name__ == "__main__":
    main()
