"""The report of bad lines is looked at in a spreadsheet."""

import csv
from pathlib import Path

import pytest

from streams.segments.read_list import BadLine
from streams.segments.upload import _reporting


@pytest.mark.parametrize("text", ["=HYPERLINK(A1)", "+1", "-1", "@SUM(1)", "\t=1"])
def test_what_a_bad_line_says_is_no_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "report.csv"
    with _reporting(path) as note:
        note(BadLine(2, "member_id", "expected one column, not 2", text))
        note(BadLine(3, "member_id", "expected one column, not 2", "m1,=1"))
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[3] for row in rows] == ["text", f"'{text}", "m1,=1"]
