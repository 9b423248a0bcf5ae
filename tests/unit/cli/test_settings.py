"""`rekindle settings` lists everything, shows what holds here, and no secret."""

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner

from streams.cli.settings import command
from streams.errors import RekindleError
from streams.settings import Settings, load, variable

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
        (
            "REKINDLE_CLICKHOUSE_DSN",
            "http://h/db?password=hunter2&ca_cert=/ca.pem",
            "http://h/db?password=***&ca_cert=/ca.pem",
        ),
        ("REKINDLE_CLICKHOUSE_DSN", "http://h/db?access_token=hunter2", "http://h/db?access_token=***"),
        ("REKINDLE_LINKS_SECRET", "hunter2://hunter2hunter2", "***"),
        ("REKINDLE_SMTP_PASSWORD", "", ""),
    ],
)
def test_secrets_are_masked(name: str, value: str, shown: str) -> None:
    assert rows(**{name: value})[name]["value"] == shown


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PARTITIONS", "0", "expected a whole number, at least 1"),
        ("PARTITIONS", "four", "expected a whole number"),
        ("BATCH_RECORDS_MAX", "0", "at least 1"),
        ("WATCHDOG_SECONDS", "-1", "at least 0"),
        ("METRICS_PORT", "65534", "0 to 65533"),
        ("LINKS_PORT", "65536", "0 to 65535"),
        ("SMTP_PORT", "0", "1 to 65535"),
        ("LOG_LEVEL", "info", "expected DEBUG or INFO or WARNING or ERROR"),
        ("INSTANCE", "../other", "expected letters, digits"),
        ("INSTANCE", "..", "expected letters, digits"),
        ("GROUP_PREFIX", "a b", "expected letters, digits"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(name: str, value: str, expected: str) -> None:
    with pytest.raises(RekindleError, match=expected) as refused:
        load({f"REKINDLE_{name}": value})
    assert f"REKINDLE_{name}" in str(refused.value)


def test_the_registrys_address_holds_no_password_since_messages_show_it() -> None:
    with pytest.raises(RekindleError, match="REKINDLE_SCHEMA_REGISTRY_PASSWORD") as refused:
        load({"REKINDLE_SCHEMA_REGISTRY_URL": "https://reports:hunter2@registry:8443/apis/ccompat/v7"})
    assert "hunter2" not in str(refused.value)


def test_a_misspelt_setting_is_named() -> None:
    """Without the master key nothing is sealed, and nobody would notice."""
    result = CliRunner().invoke(command, env={"REKINDLE_MASTERKEY": "hunter2", "REKINDLE_UNHEARD_OF": "1"})
    assert result.stderr == "rekindle: REKINDLE_MASTERKEY is no setting: is REKINDLE_MASTER_KEY meant?\n"
