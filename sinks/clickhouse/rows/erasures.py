"""Members who were erased, and up to when: what the sink deletes by, and what it doesn't insert any more."""

from collections.abc import Iterator

from schemas.erasure import Erasure
from sinks.clickhouse.rows import TIME, Row, Table


def _rows(erasure: Erasure) -> Iterator[Row]:
    yield erasure.at, erasure.member_id, erasure.occurred_at


TABLE = Table(
    name="erasures",
    takes=Erasure,
    columns={"at": TIME, "member_id": "String", "occurred_at": TIME},
    rows=_rows,
)
