"""Uploaded lists of members: CSV, one member to a line.

The member id stands in the column `member_id` if the first line that isn't blank names one, else in the only column.
"""

import csv
import io
import re
import unicodedata

from streams.programme.problems import Problem

ID_CHARS_MAX = 200
PROBLEMS_MAX = 20
_HEADER = "member_id"
_SHOWN_CHARS = 60
_OTHER_HEADER = re.compile(
    r"(?:(?:member|customer|client|user|person|contact|profile|external|crm|loyalty|card|visitor)[ _-]?)?"
    r"(?:id|ids|no|number|uuid|guid)|members?|customers?|phone|e-?mail",
    re.IGNORECASE,
)
"""What other files call the column of ids, which nobody's id is."""


def read_members(text: str, file: str) -> tuple[frozenset[str], list[Problem]]:
    """The member ids, and what is wrong with the list, line by line (the first twenty)."""
    members: set[str] = set()
    problems: list[Problem] = []
    column, width = 0, 1
    is_first = True
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if is_first:
                is_first = False
                if _HEADER in cells:
                    column, width = cells.index(_HEADER), len(cells)
                    continue
                if message := _header_mistake(cells):
                    return frozenset(), [Problem(file, reader.line_num, 1, _HEADER, message)]
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


def _header_mistake(cells: list[str]) -> str | None:
    """Tell whether a first line is a header of something else, whose column would be taken for ids."""
    shown = ",".join(cells)[:_SHOWN_CHARS]
    if any(sign in cell for cell in cells for sign in ";\t"):
        return f"expected columns separated by commas, `{_HEADER}` among them, not `{shown}`"
    if any(_OTHER_HEADER.fullmatch(cell) for cell in cells):
        return f"expected ids only, or a header with the column `{_HEADER}`, not `{shown}`"
    return None


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
    if not member_id.isprintable() and any(unicodedata.category(char) == "Cc" for char in member_id):
        return "expected a member id without control characters"
    return None
