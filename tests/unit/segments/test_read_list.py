"""Uploaded files are judged line by line: what is wrong is named with line and field, and swallows nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import InputError
from streams.segments.read_list import LINE_BYTES_MAX, BadLine, ignored_columns, read_list


def read(tmp_path: Path, data: bytes, column: str = "member_id"):
    path = tmp_path / "list.csv"
    path.write_bytes(data)
    return list(read_list(path, column))


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"member_id\nm1\nm2\n", [(2, "m1"), (3, "m2")]),
        (b"\xef\xbb\xbfmember_id\r\nm1\r\n\r\nm2", [(2, "m1"), (4, "m2")]),
        (b'name,member_id\nAda, m1 \n"Lovelace, Ada",m2\n', [(2, "m1"), (3, "m2")]),
        ("member_id\nnäh\n".encode(), [(2, "näh")]),
        (b"member_id\n", []),
        (b'member_id\n"m ""1"""\n', [(2, 'm "1"')]),
    ],
)
def test_ids_come_with_their_lines(tmp_path, data, rows):
    assert read(tmp_path, data) == rows


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b",x", "expected a member id, not nothing"),
        (b" ,x", "expected a member id, not nothing"),
        (b"m1", "expected 2 columns, not 1"),
        (b"m1,b,c", "expected 2 columns, not 3"),
        (b"\xff\xfe,x", "isn't text in UTF-8, from byte 1 on"),
        (b"m1,\xd0", "isn't text in UTF-8, from byte 4 on"),
        (b'"m1,x', "isn't valid CSV"),
        (b"x" * 201 + b",y", "is longer than 200 characters"),
        (b"m\x00 1,y", "expected a member id without control characters"),
        (b"x" * (LINE_BYTES_MAX + 1) + b",y", f"expected at most {LINE_BYTES_MAX} bytes in a line"),
    ],
)
def test_a_bad_line_is_named_and_the_next_is_read(tmp_path, line, message):
    first, bad, last = read(tmp_path, b"member_id,more\nm0,x\n" + line + b"\nm9,x\n")
    assert (first, last) == ((2, "m0"), (4, "m9"))
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.field) == (3, "member_id")
    assert bad.message.startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not nothing"),
        (b"id;name\n1;2\n", "not `id;name`; if the ids stand in another column, name it by --column"),
        (b"member_id,member_id\nm1,m1\n", "among them once"),
        (b"\xff\xfem\x00", "isn't text in UTF-8"),
        (b'"member_id\nm1\n', "isn't valid CSV"),
    ],
)
def test_a_file_without_the_column_is_refused_as_a_whole(tmp_path, data, message):
    with pytest.raises(InputError, match=r"list\.csv:1: ") as refused:
        read(tmp_path, data)
    assert message in str(refused.value)


def test_another_column_may_be_named_and_the_rest_is_told(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("card,id,city\n1,m1,Kazan\n")
    assert list(read_list(path, "id")) == [(2, "m1")]
    assert ignored_columns(path, "id") == ["card", "city"]


def test_a_file_that_is_not_there_is_one_message(tmp_path):
    with pytest.raises(InputError, match="can't be read: No such file"):
        list(read_list(tmp_path / "none.csv"))


@given(st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" "))))
def test_garbage_is_a_row_or_a_bad_line_and_never_an_error(tmp_path_factory, lines):
    """Whatever stands in a line, each is judged by itself: sound ones around it are read."""
    path: Path = tmp_path_factory.mktemp("garbage") / "list.csv"
    mixed = [part for number, line in enumerate(lines) for part in (line, b"sound%d" % number)]
    path.write_bytes(b"member_id\n" + b"\n".join(mixed) + b"\n")
    found = list(read_list(path))
    numbers = [row.line if isinstance(row, BadLine) else row[0] for row in found]
    assert numbers == sorted(set(numbers))
    sound = [(3 + 2 * number, f"sound{number}") for number in range(len(lines))]
    assert [row for row in found if not isinstance(row, BadLine) and row[0] % 2 == 1] == sound
    for row in found:
        assert row.message if isinstance(row, BadLine) else row[1].strip()
