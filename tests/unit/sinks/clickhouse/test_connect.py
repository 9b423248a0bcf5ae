"""Addresses of ClickHouse: what cannot be one is refused in words of ours, which show nothing of it."""

import pytest

from sinks.clickhouse.connect import connect, database_of
from streams.errors import RekindleError


@pytest.mark.parametrize(
    "dsn",
    [
        "h:8123/db",
        "http://u:hunter2@h:8123",
        "http://u:hunter2@h:8123/two/words",
        "http://u:hun/ter2@h:8123/db",
        "http://u:hun#ter2@h:8123/db",
        "http://u:hun[ter2@h:8123/db",
        "http://u:hunter2℀@h:8123/db",
        "http://u:hunter2@h:port/db",
        "http://u:hunter2@h:99999/db",
    ],
)
def test_what_is_no_address_is_refused_without_showing_it(dsn: str) -> None:
    with pytest.raises(RekindleError, match=r"^REKINDLE_CLICKHOUSE_DSN: expected http") as refused:
        database_of(dsn)
    assert "ter2" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_password_with_signs_is_written_in_percent() -> None:
    assert database_of("http://u:hun%2Fter2@h:8123/db") == "db"


@pytest.mark.parametrize("more", ["?nonsense=hunter2", "?password=hunter2"])
def test_an_argument_that_the_driver_does_not_take_is_named(more: str) -> None:
    with pytest.raises(RekindleError, match="what stands behind the `\\?` isn't taken") as refused:
        connect(f"http://u:secret@127.0.0.1:1/db{more}")
    assert "hunter2" not in str(refused.value)
