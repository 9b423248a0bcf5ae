"""Records that could not be handled, from `dead.letters`; and those that the sink itself cannot read.

The latter stand here only, with their own place as origin: there is no one further on who could handle them.
"""

from collections.abc import Iterator

import msgspec

from sinks.clickhouse.rows import TIME, Row, Table


class DeadLetter(msgspec.Struct, kw_only=True):
    """A record that could not be handled. `at` is in milliseconds since the epoch, key and value are as they were."""

    at: int
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    reason: str


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
)
