"""One request of ClickHouse's HTTP interface, taken apart: statement, data, settings, parameters, session.

A statement comes in the address (`?query=`) or at the head of the body; the data of an INSERT follow it in the body.
Where the statement ends is found by reading words past quotes and comments, never by searching the data.
"""

import gzip
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import lz4.frame
from backports import zstd

# What the address may carry that is neither a setting nor a parameter of the statement.
NO_SETTINGS = frozenset(
    {
        *("query", "database", "default_format", "query_id", "quota_key", "wait_end_of_query", "buffer_size", "role"),
        *("session_id", "session_timeout", "session_check", "user", "password", "client_protocol_version"),
        *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression"),
        *("compress", "decompress", "cancel_http_readonly_queries_on_client_close"),
    }
)
FORMAT_DEFAULT = "TabSeparated"

_WORDS = re.compile(
    rb"""--[^\n]*|/\*.*?\*/|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|([A-Za-z_]\w*)""", re.DOTALL
)
_FORMAT = re.compile(rb"\s+(\w+)[ \t]*;?[ \t]*(?:\r?\n)?")


class BadRequestError(Exception):
    """The request cannot be understood; the message says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be executed."""

    sql: str
    data: bytes | None = None
    """The data of an INSERT, None for every other statement."""
    format: str = FORMAT_DEFAULT
    """The data's format for an INSERT, else that of the answer, unless the statement names one."""
    database: str = ""
    session: str = ""
    session_timeout_s: float = 60.0
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)


class _Decompressor(Protocol):
    unused_data: bytes | None
    eof: bool

    def decompress(self, data: bytes) -> bytes: ...


def _frames(make: Callable[[], Any]) -> Callable[[bytes], bytes]:
    """Decompress every frame of a body that may hold several: the first alone would lose rows without a word."""

    def decompress(data: bytes) -> bytes:
        parts = []
        while data:
            frame: _Decompressor = make()
            parts.append(frame.decompress(data))
            if not frame.eof:
                raise EOFError("it ends within a frame")
            data = frame.unused_data or b""
        return b"".join(parts)

    return decompress


DECOMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "identity": bytes,
    "lz4": _frames(lz4.frame.LZ4FrameDecompressor),
    "zstd": _frames(zstd.ZstdDecompressor),
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


def decompress(encoding: str, body: bytes) -> bytes:
    """Return the body as it was before compression. Raises `BadRequestError`."""
    if encoding not in DECOMPRESSORS:
        raise BadRequestError(
            f"Content-Encoding {encoding!r} is not supported: {', '.join(filter(None, DECOMPRESSORS))}"
        )
    try:
        return DECOMPRESSORS[encoding](body)
    except (RuntimeError, OSError, EOFError, zlib.error, zstd.ZstdError) as error:
        raise BadRequestError(f"the body is no valid {encoding}: {error}") from error


def compress(accepted: str, body: bytes) -> tuple[str, bytes]:
    """Return the answer in an encoding that the client accepts, and that encoding's name."""
    if "zstd" in accepted:
        return "zstd", zstd.compress(body, 1)
    if "lz4" in accepted:
        return "lz4", lz4.frame.compress(body)
    if "gzip" in accepted:
        return "gzip", gzip.compress(body, 1)
    return "", body


def parse(query: Mapping[str, str], database_header: str, format_header: str, body: bytes) -> Request:
    """Build the request from what the address, two headers and the body (already decompressed) say."""
    if query.get("compress") == "1" or query.get("decompress") == "1":
        raise BadRequestError("the native compression of blocks is not supported: use Content-Encoding")
    try:
        timeout_s = float(query.get("session_timeout", "60"))
    except ValueError:
        raise BadRequestError("session_timeout is a number of seconds") from None
    sql, data, data_format = split_statement(query.get("query", "").encode(), body)
    named = query.get("default_format") or format_header or FORMAT_DEFAULT
    return Request(
        sql=sql,
        data=data,
        format=data_format or named,
        database=query.get("database") or database_header,
        session=query.get("session_id", ""),
        session_timeout_s=timeout_s,
        settings={
            name: value for name, value in query.items() if name not in NO_SETTINGS and not name.startswith("param_")
        },
        parameters={name[6:]: value for name, value in query.items() if name.startswith("param_")},
    )


def split_statement(query: bytes, body: bytes) -> tuple[str, bytes | None, str]:
    """Statement, data and the data's format; data are None for all but an INSERT that brings them along."""
    text = query if query.strip() else body
    follows = body if query.strip() else b""
    words = ((match.group(1).upper(), match) for match in _WORDS.finditer(text) if match.group(1))
    if next(words, (b"", None))[0] != b"INSERT":
        return _text(text + (b"\n" + follows if follows else b"")), None, ""
    for word, match in words:
        if word in {b"SELECT", b"WITH", b"INFILE"}:
            break
        if word == b"VALUES":
            if text[match.end() :].strip(b" \t\r\n;"):
                break
            return _text(text[: match.start()]), follows, "Values"
        named = _FORMAT.match(text, match.end()) if word == b"FORMAT" else None
        if named:
            return _text(text[: match.start()]), text[named.end() :] + follows, named.group(1).decode()
    return _text(text), None, ""


def _text(sql: bytes) -> str:
    try:
        return sql.decode().strip()
    except UnicodeDecodeError as error:
        raise BadRequestError(f"the statement is not UTF-8: {error}") from error
