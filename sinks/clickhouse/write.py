"""Write one batch into all its tables, so that it is there once whatever fails in between.

The steps, and why a crash after each is harmless:

1. Decide the batch's end (`batches.decide`). Nothing is inserted yet; the decision is found again.
2. Decode the records and make rows, a pure function of the records: always the same block per table.
3. Insert one block per table under the batch's token. One block is one part of the table, there or not. ClickHouse
   passes a block that it knows already over, and still brings the views up to date that may have missed it.
4. If the batch may have been inserted before (after a restart or a failed attempt), count its rows. ClickHouse notes a
   token before the part is visible; a server killed between the two knows the token of rows that it lost. They are
   inserted under another token then. Of a table that keeps the latest row of a key, rows can't be counted; there a
   second insert does no harm, and is made unseen.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.batches import complete, decide
from sinks.clickhouse.connect import Client
from sinks.clickhouse.erased import Erased
from sinks.clickhouse.rows import ORIGIN_COLUMNS, Row, Table, tables
from streams import metrics
from streams.errors import RekindleError

_ONE_BLOCK = {
    # The server joins what arrives into blocks of at least this size; a batch is far smaller, hence one block.
    "max_insert_block_size": 10_000_000,
    "min_insert_block_size_rows": 10_000_000,
    "min_insert_block_size_bytes": 4 << 30,
    "max_insert_threads": 1,
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}
ROWS_MAX = 4_000_000

log = logging.getLogger(__name__)

Decode = Callable[[str, int, Sequence[Stored]], Sequence[Any]]
"""Turn records of a topic and partition into what `Table.takes` names, in their order (`sinks.clickhouse.decode`)."""


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one table in one batch, by columns."""

    table: Table
    columns: Sequence[Sequence[Any]]
    rows: int


def write(client: Client, batch: Batch, decode: Decode, erased: Erased | None = None) -> int:
    """Write a batch; returns where it ends.

    If that is past `batch.last` (another end was decided before), nothing was written: form it anew with that end.
    Rows that `erased` members left behind are left out.
    Raises `ClickHouseError`; then the same batch, marked as suspect, may be written again.
    """
    if batch.suspect:
        end = complete(client, batch.topic, batch.partition, batch.first)
        if end is not None:
            return end
    last = batch.last if batch.decided else decide(client, batch.topic, batch.partition, batch.first, batch.last)
    if last > batch.last:
        return last
    if last < batch.last:
        records = tuple(record for record in batch.records if record.offset <= last)
        batch = replace(batch, last=last, records=records, suspect=True)
    started = time.perf_counter()
    erased = erased or Erased()
    erased.refresh(client)
    blocks = [kept for block in make_blocks(batch, decode) if (kept := without_erased(block, erased)).rows]
    metrics.step_seconds.labels("sink", "decode").observe(time.perf_counter() - started)
    for block in blocks:
        started = time.perf_counter()
        insert(client, block, batch.token)
        if batch.suspect:
            _insert_again_if_lost(client, block, batch, erased)
        metrics.step_seconds.labels("sink", "insert").observe(time.perf_counter() - started)
        metrics.sink_rows.labels(block.table.name).inc(block.rows)
    return last


def make_blocks(batch: Batch, decode: Decode) -> list[Block]:
    """Make the blocks of a batch, by table. Raises `RekindleError` if one is too large to be inserted as one."""
    rows: dict[str, list[Row]] = {table.name: [] for table in tables()}
    offsets: dict[str, list[int]] = {table.name: [] for table in tables()}
    takers = {
        kind: [table for table in tables() if table.takes is kind] for kind in {table.takes for table in tables()}
    }
    for stored, record in zip(batch.records, decode(batch.topic, batch.partition, batch.records), strict=True):
        for table in takers.get(type(record), ()):
            if table.event_types is None or record.type in table.event_types:
                found = rows[table.name]
                before = len(found)
                found.extend(table.rows(record))
                offsets[table.name] += [stored.offset] * (len(found) - before)
    return [_block(table, batch, rows[table.name], offsets[table.name]) for table in tables() if rows[table.name]]


def _block(table: Table, batch: Batch, rows: list[Row], offsets: list[int]) -> Block:
    count = len(rows)
    if count > ROWS_MAX:
        raise RekindleError(f"{batch.token}: {count} rows of {table.name}, more than the {ROWS_MAX} of one insert")
    origin: list[Sequence[Any]] = [[batch.topic] * count, [batch.partition] * count, offsets]
    return Block(table, [*zip(*rows, strict=True), *origin], count)


def insert(client: Client, block: Block, token: str) -> None:
    """Insert a block as one part. Raises `ClickHouseError`; the same call may then be made again."""
    client.insert(
        block.table.name,
        block.columns,
        column_names=[*block.table.columns, *ORIGIN_COLUMNS],
        column_type_names=[*block.table.columns.values(), *ORIGIN_COLUMNS.values()],
        column_oriented=True,
        settings={**_ONE_BLOCK, "insert_deduplication_token": token},
    )


def without_erased(block: Block, erased: Erased) -> Block:
    """Return the block without rows of erased members."""
    left_out = set(erased.left_out(block.table, block.columns))
    if not left_out:
        return block
    columns = [[value for number, value in enumerate(column) if number not in left_out] for column in block.columns]
    return Block(block.table, columns, block.rows - len(left_out))


def _insert_again_if_lost(client: Client, block: Block, batch: Batch, erased: Erased) -> None:
    if block.table.latest_only:
        insert(client, block, f"{batch.token}/1")
        return
    for attempt in range(1, 4):
        there = client.query(
            f"SELECT count() FROM {block.table.name} WHERE _topic = %(topic)s "  # noqa: S608 - our own names
            "AND _partition = %(partition)s AND _offset BETWEEN %(first)s AND %(last)s",
            parameters={
                "topic": batch.topic,
                "partition": batch.partition,
                "first": batch.first,
                "last": batch.last,
            },
        ).result_rows[0][0]
        if there:
            if there != block.rows:  # rows that were erased since, or another version of this program made them
                log.warning("%s: %d rows of batch %s, expected %d", block.table.name, there, batch.token, block.rows)
            return
        erased.refresh(client, now=True)  # they may have been deleted just now
        block = without_erased(block, erased)
        if not block.rows:
            return
        log.warning(
            "%s: the server lost batch %s after noting its token; inserting it again", block.table.name, batch.token
        )
        insert(client, block, f"{batch.token}/{attempt}")
    raise RekindleError(f"{block.table.name}: batch {batch.token} does not stay in the table")
