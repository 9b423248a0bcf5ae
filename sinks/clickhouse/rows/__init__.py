"""The tables of ClickHouse, one file each: which records it takes and how one becomes rows.

A module here holds `TABLE`; it is found by its name, and is the whole of what a new table needs besides a migration.
`rows` is a pure function of the record: an interrupted batch that is read again must give the very same rows.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import msgspec

Row = Sequence[Any]

TIME = "DateTime64(3, 'UTC')"
MONEY = "Decimal(18, 6)"
ORIGIN_COLUMNS = {"_topic": "LowCardinality(String)", "_partition": "UInt32", "_offset": "UInt64"}

_json = msgspec.json.Encoder(decimal_format="number")


class Erases(NamedTuple):
    """Which rows go when a member is erased: those whose column `member` says so, up to the erasure by column `at`.

    Without `at`, whenever they are of. Rows whose column `unless` is true stay.
    """

    member: str
    at: str | None
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `columns` maps each column that is written to its ClickHouse type, in the order of a row's values.

    `takes` is the class of records that it takes; `event_types`, where given, the types of events among them. Times
    in rows are milliseconds since the epoch, UTC. `latest_only`: a row takes the place of an earlier one of its key, so
    that it may be inserted again, and may be missing because a later one is there. `erases`: what goes with an erased
    member; None for a table that keeps what it has of them, with its reason at its head.
    """

    name: str
    takes: type
    columns: Mapping[str, str]
    rows: Callable[[Any], Iterable[Row]]
    event_types: frozenset[str] | None = None
    latest_only: bool = False
    erases: Erases | None = None


@cache
def tables() -> tuple[Table, ...]:
    """All tables, by name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = tuple(importlib.import_module(f"{__name__}.{name}").TABLE for name in names)
    assert [table.name for table in found] == names
    return found


def as_json(value: Any) -> str:
    """Open content as JSON text: decimals as plain numbers, times in ISO 8601."""
    return _json.encode(value).decode()
