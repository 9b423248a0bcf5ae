"""`rekindle settings` lists everything, shows what holds here, and no secret."""

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner

from streams.cli.settings import command
from streams.settings import Settings, variable

DSN = "https://reports:hunter2@ch.example.com:8443/rekindle"


def rows(**environment: str) -> dict[str, dict[str, str]]:
    result = CliRunner().invoke(command, env=environment, catch_exceptions=False)
    assert result.exit_code == 0
    return {row["variable"]: row for row in map(json.loads, result.output.splitlines())}


def test_every_setting_is_listed_with_a_sentence() -> None:
    listed = rows()
    assert list(listed) == [variable(item.name) for item in fields(Settings)]
    assert all(row["meaning"] for row in listed.values())


def test_values_are_those_of_the_environment() -> None:
    assert rows(REKINDLE_PARTITIONS="12")["REKINDLE_PARTITIONS"]["value"] == "12"


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("REKINDLE_KAFKA_SASL_PASSWORD", "hunter2", "***"),
        ("REKINDLE_CLICKHOUSE_DSN", DSN, "https://***@ch.example.com:8443/rekindle"),
        ("REKINDLE_SMTP_PASSWORD", "", ""),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    assert rows(**{name: value})[name]["value"] == shown
