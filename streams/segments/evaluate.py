"""One evaluation of a segment's SQL: what it selects is staged, and is then a run like an upload.

The SQL has been checked as a text (`streams.segments.check_sql`). Before it runs ClickHouse describes it with
`readonly` set, which runs nothing and says in one line what is wrong. Then it stands as a subquery of one INSERT into a
table of ours, bounded in time and rows. Nothing of it comes into this process.
"""

import hashlib

from sinks.clickhouse.connect import ClickHouseError, Client
from streams.errors import RekindleError
from streams.segments import runs
from streams.segments.check_sql import sql_mistake
from streams.segments.runs import Run
from streams.segments.sql import literals
from streams.settings import Settings

COLUMN = "member_id"
_KINDS = ("String", "FixedString", "UInt", "Int", "UUID")


class RefusedSqlError(RekindleError):
    """The SQL of a segment that can't be evaluated, and why."""


def fingerprint(sql: str) -> str:
    """Tell one SQL from another: an edited one is evaluated at once."""
    return hashlib.sha256(sql.encode()).hexdigest()[:16]


def check(client: Client, segment: str, sql: str) -> None:
    """Raise `RefusedSqlError` for what ClickHouse doesn't take, or what selects no `member_id`."""
    mistake = sql_mistake(sql)
    if mistake is not None:
        raise RefusedSqlError(f"segment {segment}: sql: {mistake}")
    try:
        described = client.query(f"DESCRIBE TABLE ({sql}\n)", settings={"readonly": "2"}).result_rows
    except ClickHouseError as error:
        raise RefusedSqlError(f"segment {segment}: sql: ClickHouse says: {str(error).splitlines()[0]}") from error
    kinds = {row[0]: row[1] for row in described}
    if COLUMN not in kinds:
        raise RefusedSqlError(f"segment {segment}: sql: expected a column `{COLUMN}`, not {', '.join(kinds)}")
    plain = kinds[COLUMN].replace("LowCardinality(", "").replace("Nullable(", "")
    if not plain.startswith(_KINDS):
        raise RefusedSqlError(
            f"segment {segment}: sql: `{COLUMN}` is {kinds[COLUMN]}, expected text, a number or a UUID"
        )


def evaluate(client: Client, settings: Settings, segment: str, sql: str, at_ms: int) -> Run:
    """Evaluate the SQL of a segment and decide the run that makes it the segment's list; it isn't published yet.

    Raises `RekindleError`, and the driver's `ClickHouseError`.
    """
    check(client, segment, sql)
    before = runs.settled_run(client, segment)
    most = settings.segments_sql_members
    with runs.preparing(client) as run:
        _stage(client, settings, run, sql, most)
        count = client.command("SELECT count() FROM segment_staged WHERE run = %(run)s", parameters={"run": run})
        if int(str(count)) > most:
            said = f"selects more than {most} members (REKINDLE_SEGMENTS_SQL_MEMBERS)"
            raise RefusedSqlError(f"segment {segment}: sql: {said}")
        runs.stage_changes(client, run, segment)
    return runs.decide(client, segment, run, before, origin="sql", at_ms=at_ms, definition=fingerprint(sql))


def _stage(client: Client, settings: Settings, run: str, sql: str, most: int) -> None:
    # The text may hold anything that the driver takes for a parameter: what is ours is written out.
    client.command(
        f"""
        INSERT INTO segment_staged (run, line, member_id)
        SELECT {literals.text(run)}, 0, id FROM
        (
            SELECT DISTINCT toString(assumeNotNull({COLUMN})) AS id FROM ({sql}
            ) WHERE {COLUMN} IS NOT NULL
        )
        WHERE id != '' LIMIT {most + 1}
        """,  # noqa: S608 - the SQL was checked, and is described with readonly before
        settings={**runs.SPILL, "max_execution_time": settings.segments_sql_seconds},
    )
