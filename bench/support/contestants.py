"""The systems that do the same work: how each is started. See `bench/peers`."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.support.ground import Ground
from infra.local import artifacts
from infra.local.progress import Silent
from infra.local.service import java
from schemas.declarations import avro_schemas
from schemas.registry import Registry

PEERS = Path(__file__).parent.parent / "peers"
ROOT = PEERS.parent.parent
BUILD = ROOT / "build/bench"
_RECORDS = ("rekindle.events.PurchaseCompleted", "rekindle.events.RegistrationCompleted")


@dataclass(frozen=True, slots=True)
class Contestant:
    """A system: the consumer group that its progress shows in, and what to execute."""

    group: str
    command: list[str]
    environment: Mapping[str, str]


def rekindle(ground: Ground, run: str) -> Contestant:
    """The members stage of a worker."""
    command = [sys.executable, "-m", "streams", "worker", "--only", "members"]
    return Contestant(f"{run}-members", command, ground.environment(run))


def rekindle_whole_path(ground: Ground, run: str) -> Contestant:
    """A worker: both stages, a process each."""
    return Contestant(f"{run}-members", [sys.executable, "-m", "streams", "worker"], ground.environment(run))


def naive_faust(ground: Ground, run: str) -> Contestant:
    """Faust as its introduction shows it."""
    return _peer(ground, run, [sys.executable, "-m", "bench.peers.naive_faust"])


def limit(ground: Ground, run: str) -> Contestant:
    """Consume, decode, produce."""
    return _peer(ground, run, [sys.executable, "-m", "bench.peers.limit"])


def quixstreams(ground: Ground, run: str) -> Contestant:
    """Quix Streams, in an environment of its own: it wants an older client than ours."""
    folder = BUILD / "quixstreams"
    lock = PEERS / "quixstreams.lock"
    done = folder / "installed"
    python = folder / "bin/python"
    if not done.exists() or done.read_text() != lock.read_text():
        venv.create(folder, with_pip=True, clear=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
        subprocess.run([python, *install, "--require-hashes", "-r", lock], check=True, stdout=sys.stderr)
        done.write_text(lock.read_text())
    return _peer(ground, run, [str(python), "-m", "bench.peers.quixstreams"])


def kafka_streams_exactly_once(ground: Ground, run: str) -> Contestant:
    """Kafka Streams on one thread, compiled by ECJ: the Java that we have comes without a compiler."""
    pinned = artifacts.read_list(PEERS / "kafka_streams.txt")
    cache = (ground.settings.cache_dir or artifacts.user_cache()).absolute()
    files = artifacts.provide(pinned, cache, Silent(), mirror=ground.settings.maven_mirror)
    compiler = next(str(path) for name, path in files.items() if name.startswith("org.eclipse.jdt:ecj:"))
    classpath = os.pathsep.join(str(path) for path in files.values())
    classes = BUILD / "classes"
    compile_it = [java(), "-jar", compiler, "-21", "-proc:none", "-nowarn", "-cp", classpath, "-d", str(classes)]
    subprocess.run([*compile_it, str(PEERS / "KafkaStreamsPeer.java")], check=True, stdout=sys.stderr)
    command = [java(), "-Xmx1g", "--enable-native-access=ALL-UNNAMED"]
    command += ["-cp", os.pathsep.join((str(classes), classpath)), "KafkaStreamsPeer"]
    for record in _RECORDS:
        path = BUILD / f"{record}.avsc"
        path.write_text(json.dumps(avro_schemas()[record]))
        command.append(f"{Registry.from_settings(ground.settings).id_of(record)}={path}")
    return _peer(ground, run, command)


def _peer(ground: Ground, run: str, command: list[str]) -> Contestant:
    registry = Registry.from_settings(ground.settings)
    schemas = ground.directory / "schemas.json"
    heads = {(b"\0" + registry.id_of(record).to_bytes(4, "big")).hex(): avro_schemas()[record] for record in _RECORDS}
    schemas.write_text(json.dumps(heads))
    state = ground.directory / run
    state.mkdir()
    own = {"BENCH_GROUP": run, "BENCH_DIRECTORY": str(state), "BENCH_SCHEMAS": str(schemas)}
    return Contestant(run, command, {**ground.environment(run), **own})


CONTESTANTS: Mapping[str, Callable[[Ground, str], Contestant]] = {
    "rekindle": rekindle,
    "kafka_streams_exactly_once": kafka_streams_exactly_once,
    "quixstreams": quixstreams,
    "naive_faust": naive_faust,
    "limit": limit,
}
"""Those that read the same log. Each is alone on the machine while it is measured."""
