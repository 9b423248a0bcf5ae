"""Running the statements of an audience in ClickHouse: members are counted there, never loaded."""

from typing import Any

from sinks.clickhouse.connect import ClickHouseError, Client, connect
from streams.errors import RekindleError
from streams.segments.audience import Audience
from streams.segments.sql.compile import TABLE

_QUERY_BYTES_DEFAULT = 262_144
_UNKNOWN_TABLE = "UNKNOWN_TABLE"


def count_audience(dsn: str, audience: Audience, sample: int = 0) -> tuple[dict[str, int | None], list[str]]:
    """The counts by their names (`Audience.counting`), and up to `sample` ids of members whom the campaign admits.

    Raises `RekindleError` when ClickHouse can't be reached or doesn't answer.
    """
    try:
        with connect(dsn) as client:
            [row] = _ask(client, audience.counting).named_results()
            members = [row[0] for row in _ask(client, audience.sampling(sample)).result_rows] if sample else []
    except ClickHouseError as error:
        if _UNKNOWN_TABLE in str(error):
            raise RekindleError(f"ClickHouse has no table {TABLE} yet: `rekindle sink` makes it") from error
        raise RekindleError(f"ClickHouse: {str(error).splitlines()[0]}") from error
    return {name.removeprefix("count_"): count for name, count in row.items()}, members


def _ask(client: Client, statement: str) -> Any:
    """Run it, also if a list of the programme makes it longer than statements usually may be."""
    size = len(statement.encode())
    settings = {"max_query_size": 2 * size} if 2 * size > _QUERY_BYTES_DEFAULT else {}
    return client.query(statement, settings=settings)
