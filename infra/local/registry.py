"""Apicurio Registry: the schema registry, on the same Java machine, its database a file in its folder."""

import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus

from infra.local.artifacts import Artifact
from infra.local.ports import HOST
from infra.local.service import SETTINGS, Place, Program, java, java_environment, java_options
from streams.errors import RekindleError

HEAP_MIB = 256
INTERFACE = "/apis/ccompat/v7"
ANSWER_TIMEOUT_S = 2


class Registry:
    """The schema registry."""

    name = "registry"
    ports = ("http", "management")

    def artifacts(self, pinned: list[Artifact]) -> list[Artifact]:
        """One archive that holds the whole application."""
        return [artifact for artifact in pinned if artifact.group == "io.apicurio"]

    def prepare(self, place: Place) -> Program:
        """Nothing to format: the registry makes its database itself."""
        application = next(path for path in place.artifacts.values() if path.is_dir())
        environment = {
            **_read_environment(),
            **java_environment(),
            "QUARKUS_HTTP_HOST": HOST,
            "QUARKUS_HTTP_PORT": str(place.ports["http"]),
            "QUARKUS_MANAGEMENT_HOST": HOST,
            "QUARKUS_MANAGEMENT_PORT": str(place.ports["management"]),
            "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{place.directory / 'registry'}",
        }
        machine = [java(), *java_options(place.directory, HEAP_MIB)]
        return Program([*machine, "-jar", str(application / "quarkus-run.jar")], environment)

    def is_ready(self, place: Place) -> bool:
        """Whether it lists its subjects."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{place.ports['http']}{INTERFACE}/subjects", timeout=ANSWER_TIMEOUT_S
            ) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def address(self, ports: Mapping[str, int]) -> str:
        """Return the address of the Confluent-compatible interface."""
        return f"http://{HOST}:{ports['http']}{INTERFACE}"


def _read_environment() -> dict[str, str]:
    path = SETTINGS / "apicurio.properties"
    pairs = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            name, found, value = line.partition("=")
            if not found:
                raise RekindleError(f"{path}:{number}: expected NAME=value")
            pairs[name.strip()] = value.strip()
    return pairs
