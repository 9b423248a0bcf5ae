"""ClickHouse: its embedded engine (chDB) in a process of its own behind ClickHouse's HTTP interface."""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from xml.etree import ElementTree as ET

from infra.local.artifacts import Artifact
from infra.local.ports import HOST
from infra.local.service import SETTINGS, Place, Program

DATABASE = "rekindle"
ANSWER_TIMEOUT_S = 2
MEMORY_BYTES_MAX = 1 << 30
PROJECT = Path(__file__).parent.parent.parent


class ClickHouse:
    """The analytical database."""

    name = "clickhouse"
    ports = ("http",)

    def artifacts(self, pinned: list[Artifact]) -> list[Artifact]:
        """None: the engine is a Python package."""
        del pinned
        return []

    def prepare(self, place: Place) -> Program:
        """Write the configuration: the shared one, and how much memory there is here."""
        config = ET.parse(SETTINGS / "clickhouse.xml")  # noqa: S314 - our own file
        ET.SubElement(config.getroot(), "max_server_memory_usage").text = str(MEMORY_BYTES_MAX)
        config.write(place.directory / "config.xml", encoding="utf-8")
        command = [sys.executable, "-m", "infra.local.clickhouse_http"]
        command += ["--path", str(place.directory / "data"), "--port", str(place.ports["http"])]
        command += ["--config", str(place.directory / "config.xml"), "--database", DATABASE]
        return Program(command, {**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"})

    def is_ready(self, place: Place) -> bool:
        """Whether it answers a ping, which it does only once the database exists."""
        try:
            with urllib.request.urlopen(
                f"http://{HOST}:{place.ports['http']}/ping", timeout=ANSWER_TIMEOUT_S
            ) as answer:
                return bool(answer.status == HTTPStatus.OK)
        except (urllib.error.URLError, OSError):
            return False

    def address(self, ports: Mapping[str, int]) -> str:
        """Address and database."""
        return f"http://{HOST}:{ports['http']}/{DATABASE}"
