"""Events that were sent on: they stand in other tables under the key that they came to, whose state had gone.

`into` is to whom, by then. An event that had to be sent on again, to the heir's own heir, has a row for each time.
"""

from collections.abc import Iterator

from sinks.clickhouse.decode import SentOn
from sinks.clickhouse.rows import TIME, Erases, Row, Table


def _rows(sent: SentOn) -> Iterator[Row]:
    yield sent.event_id, sent.source, sent.into, sent.occurred_at


TABLE = Table(
    name="sent_on",
    takes=SentOn,
    columns={"event_id": "String", "source": "LowCardinality(String)", "into": "String", "occurred_at": TIME},
    rows=_rows,
    erases=Erases("into", "occurred_at"),
)
