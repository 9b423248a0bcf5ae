"""Keys that turned out to be a member's: under them stands in other tables what is of the time before.

Of each move the log has two records, one under either key; they are one row twice.
"""

from collections.abc import Iterator

from sinks.clickhouse.rows import TIME, Erases, Row, Table
from streams.engine.events import StateMoved


def _rows(moved: StateMoved) -> Iterator[Row]:
    if moved.into is not None and not moved.erased:
        yield moved.gone, moved.into, moved.occurred_at


TABLE = Table(
    name="moves",
    takes=StateMoved,
    columns={"gone": "String", "into": "String", "occurred_at": TIME},
    rows=_rows,
    erases=Erases("into", "occurred_at"),
)
