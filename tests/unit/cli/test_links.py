"""`rekindle links` can be watched as every process."""

from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from infra.local.ports import choose
from streams.cli.links import command


def test_it_serves_metrics_and_health(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = choose(1)
    answers: list[str] = []

    class AskedOnce:
        def wait(self) -> None:
            for path in ("health", "metrics"):
                with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
                    answers.append(answer.read().decode())

    monkeypatch.setattr("sinks.process.configure_logging", lambda _settings: None)
    monkeypatch.setattr("sinks.process.stop_on_signals", AskedOnce)
    monkeypatch.setattr("streams.consent.serve.publisher", lambda _settings: None)
    environment = {
        "REKINDLE_LINKS_SECRET": "0123456789abcdef",
        "REKINDLE_LINKS_PORT": "0",
        "REKINDLE_METRICS_PORT": str(port),
    }
    assert CliRunner().invoke(command, env=environment, catch_exceptions=False).exit_code == 0
    assert answers[0] == "ok\n"
    assert "rekindle_link_answers" in answers[1]
