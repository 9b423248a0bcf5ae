"""The ledger of batches: which offsets form one batch, decided in ClickHouse once for everyone.

ClickHouse recognises a repeated insert by its token, but only if the repetition is the same batch. After a crash or a
rebalance the records come in other portions; and a sink that was only slow may still be inserting what another has
taken over. So the end of a batch is agreed on before its rows are inserted: the sinks insert (topic, partition, first,
last) under the token (topic, partition, first). Of several such inserts ClickHouse keeps the first, all read back what
was kept, and so all form the same batch: compare-and-set, without a lock and without a lease.

The last decided batch of a partition may be incomplete; every one before it is in ClickHouse wholly.

ClickHouse notes a token before the part is visible; a server killed between the two knows the token of a decision that
it lost. Whoever finds none proposes under the next token, the same for everyone.

ClickHouse keeps the tokens of the last 10,000 inserts of a table. A sink that slept longer than that over a batch could
repeat it; so before a batch that is not fresh is written, `complete` asks whether others are past it.
"""

import logging
from dataclasses import dataclass

from sinks.clickhouse.connect import Client
from streams.errors import RekindleError

PROPOSALS_MAX = 4

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets `first` to `last`, both included."""

    first: int
    last: int


def last_batches(client: Client) -> dict[tuple[str, int], Range]:
    """Look up the last decided batch of every (topic, partition) that has one. Raises `ClickHouseError`."""
    rows = client.query(
        "SELECT topic, partition, max(first_offset), argMax(last_offset, first_offset) "
        "FROM sink_batches GROUP BY topic, partition"
    ).result_rows
    return {(topic, partition): Range(first, last) for topic, partition, first, last in rows}


def decide(client: Client, topic: str, partition: int, first: int, last: int) -> int:
    """Propose `last` as the end of the batch that begins at `first`; returns the end that holds.

    Raises `ClickHouseError`; then it is open whether the proposal was kept, and the same call may be made again.
    """
    for number in range(PROPOSALS_MAX):
        token = f"{topic}/{partition}/{first}"
        client.insert(
            "sink_batches",
            [[topic], [partition], [first], [last]],
            column_names=["topic", "partition", "first_offset", "last_offset"],
            column_type_names=["LowCardinality(String)", "UInt32", "UInt64", "UInt64"],
            column_oriented=True,
            settings={"insert_deduplication_token": f"{token}/{number}" if number else token, "async_insert": 0},
        )
        rows = client.query(
            "SELECT last_offset FROM sink_batches "
            "WHERE topic = %(topic)s AND partition = %(partition)s AND first_offset = %(first)s",
            parameters={"topic": topic, "partition": partition, "first": first},
        ).result_rows
        if rows:
            (decided,) = {row[0] for row in rows}
            return int(decided)
        log.warning("sink_batches: the server lost a decision after noting its token; deciding %s again", token)
    raise RekindleError(f"sink_batches: the decision on {topic}/{partition}/{first} does not stay in the table")


def complete(client: Client, topic: str, partition: int, first: int) -> int | None:
    """Tell the end of the batch that begins at `first` if all of it is in ClickHouse, else None.

    It is when a later one was decided: that happens only after all of this one was inserted.

    Raises `ClickHouseError`.
    """
    rows = client.query(
        "SELECT minIf(last_offset, first_offset = %(first)s), countIf(first_offset = %(first)s), "
        "countIf(first_offset > %(first)s) FROM sink_batches "
        "WHERE topic = %(topic)s AND partition = %(partition)s AND first_offset >= %(first)s",
        parameters={"topic": topic, "partition": partition, "first": first},
    ).result_rows
    last, decided, later = rows[0]
    return int(last) if decided and later else None
