"""Uploads: a file becomes a segment's list.

The file is read once, judged line by line and staged in ClickHouse, so that memory stays bounded and duplicates are
found whatever its length; nothing is published while a line is bad, unless bad lines are to be skipped. From there on
it is a run (`streams.segments.runs`): an upload that broke off is finished by whatever comes next for that segment.
"""

import csv
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sinks.clickhouse.connect import Client
from streams.errors import InputError, RekindleError
from streams.runtime.fault_points import pass_point
from streams.segments import runs
from streams.segments.publish import finish
from streams.segments.read_list import HEADER, BadLine, read_list
from streams.segments.runs import Run
from streams.settings import Settings

BLOCK_ROWS = 100_000
SHOWN_MAX = 20
_DUPLICATES_PAGE = 10_000
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file, the column of the ids, and what is to be done with them: `replace`, `add` or `remove`.

    With `report`, bad lines go into that file and are left out. `allow_empty`: a list that takes another's place may
    have no members.
    """

    path: Path
    column: str = HEADER
    mode: str = "replace"
    report: Path | None = None
    allow_empty: bool = False


@dataclass(slots=True)
class Staged:
    """What was read of a file: how many ids, how many bad lines, and the first of these."""

    members: int = 0
    bad: int = 0
    shown: list[BadLine] = field(default_factory=list)


class BadLinesError(InputError):
    """The file has bad lines; nothing was published."""


def stage(
    client: Client,
    run: str,
    path: Path,
    column: str = HEADER,
    report: Path | None = None,
    advance: Advance = lambda _: None,
) -> Staged:
    """Read a file into `segment_staged`; with `report`, bad lines go into that file and are left out.

    Raises `InputError` for a file that can't be used at all, `BadLinesError` for bad lines without a report.
    """
    found = Staged()
    with _reporting(report) as note:

        def reject(bad: BadLine) -> None:
            found.bad += 1
            if len(found.shown) < SHOWN_MAX:
                found.shown.append(bad)
            note(bad)

        lines: list[int] = []
        members: list[str] = []
        for row in read_list(path, column):
            if isinstance(row, BadLine):
                reject(row)
                continue
            lines.append(row[0])
            members.append(row[1])
            if len(lines) == BLOCK_ROWS:
                _insert(client, run, lines, members)
                found.members += len(lines)
                advance(len(lines))
                lines, members = [], []
        if lines:
            _insert(client, run, lines, members)
            found.members += len(lines)
            advance(len(lines))
        for bad in _duplicates(client, run, column):
            found.members -= 1
            reject(bad)
    if found.bad and report is None:
        raise BadLinesError(_tell(path, found))
    return found


def decide(
    client: Client, segment: str, upload: Upload, at_ms: int, advance: Advance = lambda _: None
) -> tuple[Run, Staged]:
    """Read a file and decide the run by which it changes the segment's list; it isn't published yet.

    Raises `RekindleError`, and the driver's `ClickHouseError`.
    """
    before = runs.settled_run(client, segment)
    with runs.preparing(client) as run:
        staged = stage(client, run, upload.path, upload.column, upload.report, advance)
        if upload.mode == "replace" and not staged.members and not upload.allow_empty:
            raise InputError(
                f"{upload.path}: {upload.column}: expected at least one member: an empty list would take everyone out "
                f"of {segment}; nothing was published. If that is meant, say --allow-empty"
            )
        runs.stage_changes(client, run, segment, upload.mode, over_campaigns=True)
    decided = runs.decide(client, segment, run, before, origin="upload", at_ms=at_ms, definition=upload.mode)
    pass_point("segments", "decided")
    return decided, staged


def finish_earlier(client: Client, settings: Settings, segment: str) -> Run | None:
    """Publish and record what an upload or evaluation that broke off has decided for this segment."""
    finished = None
    for run in runs.unrecorded_runs(client):
        if run.list == segment:
            finish(client, settings, run, threading.Event())
            finished = run
    return finished


def _insert(client: Client, run: str, lines: list[int], members: list[str]) -> None:
    client.insert(
        "segment_staged",
        [[run] * len(lines), lines, members],
        column_names=["run", "line", "member_id"],
        column_type_names=["String", "UInt64", "String"],
        column_oriented=True,
        settings={"async_insert": 0},
    )


def _duplicates(client: Client, run: str, column: str) -> Iterator[BadLine]:
    """Every line whose id stands in a line before it, in order of the ids."""
    after: tuple[str, int] = ("", 0)
    while True:
        rows = client.query(
            "SELECT member_id, line, first FROM "
            "(SELECT member_id, line, min(line) OVER (PARTITION BY member_id) AS first FROM segment_staged "
            " WHERE run = %(run)s AND member_id >= %(member)s) "
            "WHERE line != first AND (member_id, line) > (%(member)s, %(line)s) "
            "ORDER BY member_id, line LIMIT %(page)s",
            parameters={"run": run, "member": after[0], "line": after[1], "page": _DUPLICATES_PAGE},
            settings=runs.SPILL,
        ).result_rows
        for member_id, line, first in rows:
            yield BadLine(line, column, f"stands in line {first} already: expected each member once", member_id)
        if len(rows) < _DUPLICATES_PAGE:
            return
        after = (rows[-1][0], rows[-1][1])


@contextmanager
def _reporting(path: Path | None) -> Iterator[Callable[[BadLine], None]]:
    """Write bad lines into a CSV file as they come."""
    if path is None:
        yield lambda _bad: None
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise RekindleError(f"{path}: can't be written: {error.strerror}") from error
        writer = csv.writer(file)
        writer.writerow(["line", "field", "problem", "text"])
        yield lambda bad: writer.writerow([bad.line, _cell(bad.field), _cell(bad.message), _cell(bad.text)])


def _cell(text: str) -> str:
    """Give a text that a spreadsheet, in which reports are looked at, takes for no formula."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text


def _tell(path: Path, found: Staged) -> str:
    shown = [f"{path}:{bad.line}: {bad.field}: {bad.message}" for bad in sorted(found.shown, key=lambda bad: bad.line)]
    more = [f"… and {found.bad - len(shown)} more"] if found.bad > len(shown) else []
    advice = f"nothing was published; {found.bad} bad lines: mend them, or leave them out with --skip-bad REPORT.csv"
    return "\n".join([*shown, *more, advice])
