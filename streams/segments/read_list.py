"""Uploaded files: CSV in UTF-8 with a header, judged line by line, of any length in bounded memory.

A member id never holds a line break, so every physical line is read by itself: a quote that isn't closed is a mistake
of its own line and swallows no others. A line without quotes is split, which is several times faster than reading it as
CSV; one with quotes is left to the `csv` module.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from streams.errors import InputError
from streams.programme.member_lists import id_mistake

LINE_BYTES_MAX = 65_536
HEADER = "member_id"
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be used: its number (from 1, the header's), the field, what was expected, and its text."""

    line: int
    field: str
    message: str
    text: str


Row = tuple[int, str]
"""The number of a line, and the member id in it."""


def read_list(path: Path, column: str = HEADER) -> Iterator[Row | BadLine]:
    """Read the ids of a file. Raises `InputError` for a file without that column, or one that can't be read."""
    try:
        with path.open("rb") as file:
            yield from _read(file, path, column)
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error


def ignored_columns(path: Path, column: str = HEADER) -> list[str]:
    """Name the other columns of the file. Raises `InputError` as `read_list` does."""
    try:
        with path.open("rb") as file:
            return [name for name in _header(file, path, column) if name != column]
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error


def _read(file: BinaryIO, path: Path, column: str) -> Iterator[Row | BadLine]:
    header = _header(file, path, column)
    width, place = len(header), header.index(column)
    for number, raw in enumerate(_lines(file), 2):
        if raw is None:
            yield BadLine(number, column, f"expected at most {LINE_BYTES_MAX} bytes in a line", "")
            continue
        try:
            line = raw.decode()
        except UnicodeDecodeError as error:
            yield BadLine(number, column, f"isn't text in UTF-8, from byte {error.start + 1} on", _shown(raw))
            continue
        line = line.rstrip("\r\n")
        if not line.strip():
            continue
        if '"' in line:
            try:
                cells = next(csv.reader([line], strict=True))
            except csv.Error as error:
                yield BadLine(number, column, f"isn't valid CSV: {error}", _shown(raw))
                continue
        else:
            cells = line.split(",")
        if len(cells) != width:
            yield BadLine(number, column, f"expected {_columns(width)}, not {len(cells)}", _shown(raw))
            continue
        member_id = cells[place].strip()
        mistake = id_mistake(member_id)
        yield (number, member_id) if mistake is None else BadLine(number, column, mistake, _shown(raw))


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """Every further line; None for one that is too long."""
    while raw := file.readline(LINE_BYTES_MAX + 1):
        if len(raw) <= LINE_BYTES_MAX or raw.endswith(b"\n"):
            yield raw
            continue
        while raw and not raw.endswith(b"\n"):
            raw = file.readline(LINE_BYTES_MAX)
        yield None


def _header(file: BinaryIO, path: Path, column: str) -> list[str]:
    expected = f"expected a header, names of columns separated by commas, `{column}` among them"
    raw = file.readline(LINE_BYTES_MAX)
    try:
        names = [cell.strip() for cell in next(csv.reader([raw.decode("utf-8-sig").rstrip("\r\n")], strict=True), [])]
    except UnicodeDecodeError:
        raise InputError(f"{path}:1: {expected}; it isn't text in UTF-8") from None
    except csv.Error as error:
        raise InputError(f"{path}:1: {expected}; it isn't valid CSV: {error}") from None
    if names.count(column) != 1:
        found = "nothing" if not names else ", ".join(f"`{name[:_SHOWN_CHARS]}`" for name in names[:10])
        hint = "; if the ids stand in another column, name it by --column" if column == HEADER and names else ""
        raise InputError(f"{path}:1: {column}: {expected}{' once' * (column in names)}, not {found}{hint}")
    return names


def _columns(count: int) -> str:
    return f"{count} column{'s' if count > 1 else ''}"


def _shown(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace").rstrip("\r\n")[:_SHOWN_CHARS]
