"""A worker's first port says ready when all of its stages are: an orchestrator asks one port of a pod."""

import socket
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from streams.cli import worker
from streams.runtime.run_stage import why_not_ready
from streams.serve_metrics import serve_metrics
from streams.settings import Settings


def serve(ready: Callable[[], str | None]) -> int:
    return serve_metrics(Settings(metrics_port=0), ready=ready)


def test_a_stage_that_answers_for_others_is_ready_when_they_are() -> None:
    reasons: dict[str, str | None] = {"ingest": "not yet", "members": "restoring", "profiles": None}
    beside = [serve(lambda: reasons["members"]), serve(lambda: reasons["profiles"])]

    def reason() -> str | None:
        return why_not_ready(Settings(), reasons["ingest"], beside)

    assert reason() == "not yet"
    reasons["ingest"] = None
    assert reason() == f"the stage on port {beside[0]}: restoring"
    reasons["members"] = None
    assert reason() is None
    reasons["profiles"] = "restoring"
    assert reason() == f"the stage on port {beside[1]}: restoring"


def test_a_stage_that_does_not_answer_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert why_not_ready(Settings(), None, [port]) == f"the stage on port {port} doesn't answer"


def test_a_stage_that_serves_everywhere_is_asked_on_loopback() -> None:
    port = serve_metrics(Settings(metrics_host="0.0.0.0", metrics_port=0), ready=lambda: None)
    assert why_not_ready(Settings(metrics_host="0.0.0.0"), None, [port]) is None


@pytest.mark.parametrize(("port", "expected"), [("9100", [[9101, 9102], [], []]), ("0", [[], [], []])])
def test_a_workers_first_stage_answers_for_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: str, expected: list[list[int]]
) -> None:
    started: list[list[str]] = []

    def supervise(commands: dict[str, list[str]], _environments: Any) -> int:
        started.extend(commands.values())
        return 0

    monkeypatch.setattr("streams.runtime.supervise.supervise", supervise)
    monkeypatch.setattr("streams.runtime.preflight.check_services", lambda _settings: None)
    monkeypatch.setenv("REKINDLE_METRICS_PORT", port)
    monkeypatch.setenv("REKINDLE_DATA_DIR", str(tmp_path))
    assert CliRunner().invoke(worker.command, []).exit_code == 0
    beside = [[int(value) for option, value in pairwise(command) if option == "--beside"] for command in started]
    assert beside == expected
