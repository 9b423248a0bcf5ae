"""The members' table of the real engine, embedded in this process: one for the session, since it owns its folder."""

from collections.abc import Iterator

import clickhouse_connect
import pytest

from sinks.clickhouse.connect import Client
from sinks.clickhouse.migrate import migrate


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A client of it, with all tables."""
    with clickhouse_connect.get_client(dsn=f"chdb://{tmp_path_factory.mktemp('clickhouse')}") as client:
        migrate(client)
        yield client
