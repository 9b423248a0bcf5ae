"""The connection for work on lists: with the tables of this version, and with time for questions about millions."""

from collections.abc import Iterator
from contextlib import contextmanager

from sinks.clickhouse.connect import ClickHouseError, Client, connect
from sinks.clickhouse.run import migrate_database
from streams.errors import RekindleError
from streams.settings import Settings

ANSWER_SECONDS_MAX = 3600


@contextmanager
def open_database(settings: Settings) -> Iterator[Client]:
    """Connect, with the tables brought up to date. Raises `RekindleError`, also for what ClickHouse refuses inside."""
    migrate_database(settings)
    try:
        with connect(settings.clickhouse_dsn, answer_s=ANSWER_SECONDS_MAX) as client:
            yield client
    except ClickHouseError as error:
        raise RekindleError(f"ClickHouse: {str(error).splitlines()[0]}") from error
