"""Commands that need the programme in force say at once that Kafka is down, and where they looked for it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from streams.cli import audience, segments
from streams.errors import RekindleError


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (audience.command, ["coffee"]),
        (segments.command, ["export", "everyone", "--to", "members.csv"]),
    ],
)
def test_it_is_said_at_once(
    command: object, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streams.members.programmes.PATIENCE_SECONDS", 0.1)
    result = CliRunner().invoke(command, arguments, env={"REKINDLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})  # type: ignore[arg-type]
    assert isinstance(result.exception, RekindleError)
    assert str(result.exception).startswith("no Kafka broker answers at 127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []
