"""What is left of an erased member in ClickHouse: rows of their time, and texts that should be found nowhere.

A stranger who gave the member's e-mail or phone is somebody else as far as anybody knows; who they are is told, too.
"""

from collections.abc import Mapping, Sequence

from sinks.clickhouse.connect import Client
from sinks.clickhouse.erase import erased_tables, of_erased
from sinks.clickhouse.erased import read_erasures

STRANGERS_TOLD_MAX = 100
_STRANGERS = "^(visitor|card|phone|email|receipt):"


def rows_left(client: Client, member: str) -> Mapping[str, int] | None:
    """Count by table the rows of a member up to their erasure; None: the sink hasn't come to it.

    Raises `ClickHouseError`.
    """
    until = read_erasures(client).get(member)
    if until is None:
        return None
    found = {}
    for name, rule in erased_tables().items():
        count = client.query(
            f"SELECT count() FROM {name} WHERE {of_erased(rule)}",  # noqa: S608 - our own names
            parameters={"members": [member], "times": [until]},
        ).result_rows[0][0]
        found[name] = int(count)
    return {name: count for name, count in found.items() if count}


def find_texts(client: Client, texts: Sequence[str]) -> Mapping[str, int]:
    """Count by table the rows in which one of the texts stands, in whatever column. Raises `ClickHouseError`."""
    names = client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name"
    ).result_rows
    found = {}
    for (name,) in names:
        count = client.query(
            f"SELECT count() FROM `{name}` "  # noqa: S608 - names that the database gave
            "WHERE multiSearchAny(formatRow('TabSeparatedRaw', *), %(texts)s)",
            parameters={"texts": list(texts)},
        ).result_rows[0][0]
        found[str(name)] = int(count)
    return {name: count for name, count in found.items() if count}


def strangers_who_said(client: Client, texts: Sequence[str]) -> Mapping[str, int]:
    """Count the events in which strangers said one of the texts, by the key of each. Raises `ClickHouseError`."""
    rows = client.query(
        "SELECT key, count() FROM events WHERE match(key, %(strangers)s) AND multiSearchAny(body, %(texts)s) "
        "GROUP BY key ORDER BY key LIMIT %(most)s",
        parameters={"strangers": _STRANGERS, "texts": list(texts), "most": STRANGERS_TOLD_MAX},
    ).result_rows
    return {str(key): int(count) for key, count in rows}
