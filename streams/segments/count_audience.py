"""Running the statements of an audience in ClickHouse: members are counted there, never loaded."""

from typing import Any

from sinks.clickhouse.connect import ClickHouseError, Client, connect
from streams.errors import RekindleError
from streams.segments.audience import Audience
from streams.segments.sql.compile import TABLE

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
    """Run it; if it is longer than statements usually may be, because a list of the programme stands in it, as that."""
    try:
        return client.query(statement)
    except ClickHouseError as error:
        if not any(limit in str(error) for limit in _LIMITS):
            raise
    return client.query(statement, settings=_LONG)


_LIMITS = ("Max query size exceeded", "TOO_BIG_AST", "TOO_DEEP_AST")
_LONG = {
    "max_query_size": 1 << 30,
    "max_ast_elements": 10_000_000,
    "max_expanded_ast_elements": 10_000_000,
    "max_ast_depth": 10_000,
}
