"""Records that could not be handled, from `dead.letters`; and those that the sink itself cannot read.

The latter stand here only, with their own place as origin: there is no one further on who could handle them.
"""

from collections.abc import Iterator

from schemas.dead_letters import DeadLetter
from sinks.clickhouse.rows import TIME, Erases, Row, Table


def _rows(letter: DeadLetter) -> Iterator[Row]:
    yield (
        letter.at,
        letter.topic,
        letter.partition,
        letter.offset,
        None if letter.key is None else letter.key.decode("utf-8", "backslashreplace"),
        letter.value or b"",
        letter.reason,
    )


TABLE = Table(
    name="dead_letters",
    takes=DeadLetter,
    columns={
        "at": TIME,
        "origin_topic": "LowCardinality(String)",
        "origin_partition": "UInt32",
        "origin_offset": "UInt64",
        "key": "Nullable(String)",
        "value": "String",
        "reason": "String",
    },
    rows=_rows,
    erases=Erases("key", None),
)
