"""Runs: what a list is to be from now on, decided once in ClickHouse, published, and only then recorded.

An upload, an evaluation of SQL and one of RFM are the same from here on. A run goes through these steps, and a crash
after any of them, or two processes at once, make no difference to what the log holds in the end:

1. Its changes are written under an id of its own, which nobody else reads: a crash leaves a partition that expires.
2. It is decided (`decide`): an insert under the token (list, number). Of several such inserts ClickHouse keeps the
   first, all read back what was kept, and the others' changes are dropped. From here on the run is fixed.
3. Its changes are published in order of the members (`streams.segments.publish`). Whoever finds a run that is decided
   and not recorded publishes it from the last portion that was noted; event ids are made of (run, segment, member), so
   that what comes twice changes nothing.
4. It is recorded: the changes go into `segment_members`, rows that are the same however often they are inserted.

A list's next run compares with `segment_members`, so it is begun only when the one before is recorded (`settled_run`).
Of runs the last thousand of each list are kept, since a segment may be evaluated every minute.
"""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from sinks.clickhouse.connect import Client
from streams.errors import RekindleError

PAGE_CHANGES = 20_000
RUNS_KEPT = 1_000
_FORGET_EVERY = 100
_FORGET_MAX = 5_000
"""In one statement: where many have gathered, the next time takes more."""
_COLUMNS = ("list", "number", "run", "origin", "at", "definition", "members", "entered", "gone")
SPILL = {"max_bytes_before_external_group_by": 400_000_000, "max_bytes_before_external_sort": 400_000_000}
"""Sorts and groups of more than that (bytes) go on on the disk: millions of members fit into any memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a list. `at_ms` is the moment of which it speaks: the `occurred_at` of its events.

    `members` are in the list after it; `entered` and `gone` are changes. `definition` tells an edited definition from
    the one that was evaluated.
    """

    list: str
    number: int
    run: str
    origin: str
    at_ms: int
    definition: str
    members: int
    entered: int
    gone: int


class OvertakenError(RekindleError):
    """Another process is at the same list; what this one has prepared isn't decided."""


@dataclass(frozen=True, slots=True)
class Change:
    """A member who enters a segment or leaves it."""

    segment: str
    member_id: str
    inside: bool


@dataclass(frozen=True, slots=True)
class Position:
    """How far a run was published: so many changes, the last of them that of this member and segment."""

    published: int = 0
    member_id: str = ""
    segment: str = ""


def last_run(client: Client, name: str) -> Run | None:
    """Look up the last decided run of a list. Raises `ClickHouseError`."""
    found = _runs(client, "WHERE list = %(list)s ORDER BY number DESC, decided_at LIMIT 1", {"list": name})
    return found[0] if found else None


def unrecorded_runs(client: Client, idle_s: int = 0) -> list[Run]:
    """List the runs that have something to publish or record, oldest first; those that haven't moved for so long.

    A run that has, has a partition of changes. There are few, mostly none, so that the table of runs, which is large,
    is looked through only while there are. Raises `ClickHouseError`.
    """
    partitions = client.query(
        "SELECT DISTINCT partition FROM system.parts "
        "WHERE database = currentDatabase() AND table = 'segment_changes' AND active AND rows > 0"
    ).result_rows
    if not partitions:
        return []
    return _runs(
        client,
        "WHERE run IN %(partitions)s AND decided_at <= now64(3) - toIntervalSecond(%(idle)s) "
        "AND run NOT IN (SELECT run FROM segment_run_steps WHERE run IN %(partitions)s "
        "AND (step = 'recorded' OR at > now64(3) - toIntervalSecond(%(idle)s))) ORDER BY decided_at, list",
        {"partitions": [row[0] for row in partitions], "idle": idle_s},
    )


def _runs(client: Client, rest: str, parameters: dict[str, object]) -> list[Run]:
    rows = client.query(_RUNS + rest, parameters=parameters).result_rows
    names = ("list", "number", "run", "origin", "at_ms", "definition", "members", "entered", "gone")
    return [Run(**dict(zip(names, row, strict=True))) for row in rows]


_RUNS = (
    "SELECT list, number, run, origin, toUnixTimestamp64Milli(at), definition, members, entered, gone "
    "FROM segment_runs "
)


@contextmanager
def preparing(
    client: Client, staged: Sequence[str] = ("segment_staged",), results: Sequence[str] = ("segment_changes",)
) -> Iterator[str]:
    """Give the id of a run to be prepared inside; what fails there leaves no results. Raises `ClickHouseError`.

    What is in the tables `staged` is dropped at the end, whatever comes.
    """
    run = uuid.uuid4().hex
    try:
        yield run
    except BaseException:
        for table in results:
            drop(client, table, run)
        raise
    finally:
        for table in staged:
            drop(client, table, run)


def settled_run(client: Client, name: str) -> Run | None:
    """Look up the run that a list's next one follows. Raises `OvertakenError` while it isn't recorded."""
    run = last_run(client, name)
    if any(each.list == name for each in unrecorded_runs(client)):
        raise OvertakenError(f"{name}: its last run is being published by another process")
    return run


def stage_changes(
    client: Client, run: str, segment: str, mode: str = "replace", *, over_campaigns: bool = False
) -> None:
    """Write the changes by which a segment becomes what was staged for the run.

    `mode`: `replace` the list, `add` to it or `remove` from it. An id that was merged into another is taken for that
    one. What campaigns have done (`add_to`, `remove_from`) isn't known of the list and stays; `over_campaigns` looks it
    up in `profiles` for those who are staged, and what was staged counts. Raises `ClickHouseError`.
    """
    differs = {
        "replace": "is_wanted != was_inside OR (is_wanted AND is_out)",
        "add": "is_wanted AND (NOT was_inside OR is_out)",
        "remove": "is_wanted AND (NOT was_outside OR is_in)",
    }[mode]
    inside = "false" if mode == "remove" else "is_wanted"
    client.command(
        f"""
        INSERT INTO segment_changes (run, member_id, segment, inside, was)
        SELECT %(run)s, member_id, %(segment)s, {inside}, was_inside FROM
        (
            SELECT coalesce(nullIf(merged_members.member_id, ''), id) AS member_id, max(wanted) = 1 AS is_wanted,
                argMax(inside, number) AND max(number) > 0 AS was_inside,
                NOT argMax(inside, number) AND max(number) > 0 AS was_outside,
                max(told_inside = 1) AS is_in, max(told_inside = 0) AS is_out
            FROM
            (
                SELECT member_id AS id, 1 AS wanted, false AS inside, 0 AS number, NULL AS told_inside
                FROM segment_staged WHERE run = %(run)s
                UNION ALL
                SELECT member_id, 0, inside, number, NULL FROM segment_members FINAL WHERE segment = %(segment)s
                UNION ALL
                SELECT member_id, 0, false, 0, segments_assigned[%(segment)s] FROM profiles FINAL
                WHERE %(over)s AND member_id IN (SELECT member_id FROM segment_staged WHERE run = %(run)s)
                    AND mapContains(segments_assigned, %(segment)s)
            ) AS known
            LEFT JOIN merged_members ON merged_members.key = known.id
            GROUP BY member_id
        )
        WHERE {differs}
        """,  # noqa: S608 - our own text
        parameters={"run": run, "segment": segment, "over": int(over_campaigns)},
        settings=SPILL,
    )


def decide(
    client: Client,
    name: str,
    run: str,
    before: Run | None,
    *,
    origin: str,
    at_ms: int,
    definition: str,
    members: int | None = None,
) -> Run:
    """Make the prepared run the list's next after `before`. Raises `OvertakenError` where another's was first.

    `members`: how many are in the list then, reckoned from the changes if it isn't stated. Raises `ClickHouseError`;
    then it is open whether it was kept, and it is found as unrecorded if it was.
    """
    number = 1 if before is None else before.number + 1
    entered, gone, more = client.query(
        "SELECT countIf(inside), countIf(NOT inside), countIf(inside AND NOT was) - countIf(was AND NOT inside) "
        "FROM segment_changes WHERE run = %(run)s",
        parameters={"run": run},
    ).result_rows[0]
    if members is None:
        members = (0 if before is None else before.members) + more
    client.insert(
        "segment_runs",
        [[name, number, run, origin, datetime.fromtimestamp(at_ms / 1000, UTC), definition, members, entered, gone]],
        column_names=_COLUMNS,
        settings={"insert_deduplication_token": f"{name}/{number}", "async_insert": 0},
    )
    decided = last_run(client, name)
    if decided is None or decided.run != run:
        drop(client, "segment_changes", run)
        raise OvertakenError(f"{name}: another process has begun run {number} of it meanwhile")
    return decided


def read_position(client: Client, run: Run) -> Position:
    """How far a run was published, by the last note. Raises `ClickHouseError`."""
    rows = client.query(
        "SELECT published, member_id, segment FROM segment_run_steps WHERE run = %(run)s AND step = 'published' "
        "ORDER BY published DESC LIMIT 1",
        parameters={"run": run.run},
    ).result_rows
    return Position(*rows[0]) if rows else Position()


def note_position(client: Client, run: Run, position: Position) -> None:
    """Note how far a run was published. Raises `ClickHouseError`."""
    _note(client, run, "published", position)


def read_changes(client: Client, run: Run, after: Position, page: int = PAGE_CHANGES) -> Iterator[Sequence[Change]]:
    """Read what is to be published of a run from a position on, in portions. Raises `ClickHouseError`."""
    while True:
        rows = client.query(
            "SELECT segment, member_id, inside FROM segment_changes WHERE run = %(run)s "
            "AND member_id >= %(member)s AND (member_id, segment) > (%(member)s, %(segment)s) "
            "ORDER BY member_id, segment LIMIT %(page)s",
            parameters={"run": run.run, "member": after.member_id, "segment": after.segment, "page": page},
        ).result_rows
        if not rows:
            return
        changes = [Change(*row) for row in rows]
        yield changes
        after = Position(after.published + len(changes), changes[-1].member_id, changes[-1].segment)


def record(client: Client, run: Run) -> None:
    """Note a published run's changes as known of its segments, and the run as done. Raises `ClickHouseError`."""
    if run.origin != "rfm":  # whose members stand in `rfm_values`
        client.command(
            "INSERT INTO segment_members (segment, member_id, inside, since, run, number) "
            "SELECT segment, member_id, inside, fromUnixTimestamp64Milli(%(at)s, 'UTC'), run, %(number)s "
            "FROM segment_changes WHERE run = %(run)s",
            parameters={"run": run.run, "at": run.at_ms, "number": run.number},
        )
    _note(client, run, "recorded", Position())
    drop(client, "segment_changes", run.run)
    if run.number % _FORGET_EVERY == 0:
        _forget(client, run.list, run.number - RUNS_KEPT)


def _forget(client: Client, name: str, until: int) -> None:
    """Delete a list's runs up to a number, and what is told of them alone."""
    rows = client.query(
        "SELECT run FROM segment_runs WHERE list = %(list)s AND number <= %(until)s ORDER BY number LIMIT %(most)s",
        parameters={"list": name, "until": until, "most": _FORGET_MAX},
    ).result_rows
    if not rows:
        return
    for table in ("rfm_run_thresholds", "rfm_run_transitions", "segment_runs"):
        client.command(
            f"ALTER TABLE {table} DELETE WHERE run IN %(runs)s SETTINGS mutations_sync = 1",
            parameters={"runs": [row[0] for row in rows]},
        )


def drop(client: Client, table: str, run: str) -> None:
    """Drop a run's partition of a table. Raises `ClickHouseError`."""
    client.command(f"ALTER TABLE {table} DROP PARTITION %(run)s", parameters={"run": run})


def _note(client: Client, run: Run, step: str, position: Position) -> None:
    client.insert(
        "segment_run_steps",
        [[run.run, step, position.published, position.member_id, position.segment]],
        column_names=["run", "step", "published", "member_id", "segment"],
        settings={"async_insert": 0},
    )
