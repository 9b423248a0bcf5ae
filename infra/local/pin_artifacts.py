"""`python -m infra.local.pin_artifacts`: write `artifacts.txt` anew, after a version below was raised.

The only place where dependencies are resolved. Each root is resolved by itself: resolved together, the second one's
dependency management would change the first one's versions. Where two roots need one artifact, the first one's version
stays. Look at the difference before committing it.
"""

import sys
import tempfile
from pathlib import Path

from infra.local.artifacts import LIST, sha256_of
from infra.local.download import READ_TIMEOUT_S

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
LOG4J = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"
"""What Kafka's logging needs and Kafka doesn't name; the version of the log4j-core that Kafka brings."""
REGISTRY = ("io.apicurio", "apicurio-registry-app", "3.3.3", "all", "tar.gz")


def main() -> None:
    """Resolve, download, hash, write."""
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - an optional dependency

    with tempfile.TemporaryDirectory() as folder:
        context = MavenContext(resolver=PythonResolver(), repo_cache=Path(folder), timeout=READ_TIMEOUT_S)
        found: dict[tuple[str, str], tuple[str, Path]] = {}
        for root in (KAFKA, LOG4J):
            inputs, transitive = context.resolver.resolve([context.create_dependency(root)])
            for artifact in (dependency.artifact for dependency in [*inputs, *transitive]):
                coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
                if (artifact.groupId, artifact.artifactId) not in found:
                    found[artifact.groupId, artifact.artifactId] = (coordinate, artifact.resolve())
        group, name, version, classifier, packaging = REGISTRY
        component = context.project(group, name).at_version(version)
        archive = component.artifact(classifier=classifier, packaging=packaging).resolve()
        found[group, name] = (":".join(REGISTRY), archive)
        lines = [f"{coordinate} {path.stat().st_size} {sha256_of(path)}" for coordinate, path in sorted(found.values())]
    heading = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    LIST.write_text("\n".join([*heading, *lines]) + "\n", encoding="utf-8")
    sys.stderr.write(f"{len(lines)} artifacts in {LIST}\n")


if __name__ == "__main__":
    main()
