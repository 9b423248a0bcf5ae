"""Uploaded lists of members: CSV, one member to a line.

The member id stands in the column `member_id` if a first line names one, else in the only column.
"""

import csv
import io

from streams.programme.problems import Problem

ID_CHARS_MAX = 200
PROBLEMS_MAX = 20
_HEADER = "member_id"


def read_members(text: str, file: str) -> tuple[frozenset[str], list[Problem]]:
    """The member ids, and what is wrong with the list, line by line (the first twenty)."""
    members: set[str] = set()
    problems: list[Problem] = []
    column, width = 0, 1
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for number, row in enumerate(reader):
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if number == 0 and _HEADER in cells:
                column, width = cells.index(_HEADER), len(cells)
                continue
            message = _mistake(cells, column, width)
            if message is None:
                members.add(cells[column])
            else:
                problems.append(Problem(file, reader.line_num, 1, _HEADER, message))
            if len(problems) >= PROBLEMS_MAX:
                break
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, 1, "", f"isn't valid CSV: {error}"))
    return frozenset(members), problems


def _mistake(cells: list[str], column: int, width: int) -> str | None:
    if len(cells) != width:
        hint = "" if width > 1 else f" (or a first line that names the column `{_HEADER}`)"
        return f"expected {width} column{'s' if width > 1 else ''}{hint}, not {len(cells)}"
    return id_mistake(cells[column])


def id_mistake(member_id: str) -> str | None:
    """What is wrong with a member id, None if nothing is."""
    if not member_id:
        return "expected a member id, not nothing"
    if len(member_id) > ID_CHARS_MAX:
        return f"is longer than {ID_CHARS_MAX} characters"
    return None
