import gzip

import lz4.frame
import pytest
from backports import zstd

from infra.local.clickhouse_request import BadRequestError, decompress, parse, split_statement


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        ("", b"SELECT 1", ("SELECT 1", None, "")),
        ("SELECT 1", b"", ("SELECT 1", None, "")),
        ("SELECT", b"1", ("SELECT\n1", None, "")),
        ("", b"INSERT INTO t (a, b) FORMAT Native\n\x01\x02", ("INSERT INTO t (a, b)", b"\x01\x02", "Native")),
        ("insert into t format Native", b"\n\x0b", ("insert into t", b"\n\x0b", "Native")),
        ("INSERT INTO t VALUES", b"(1), (2)", ("INSERT INTO t", b"(1), (2)", "Values")),
        ("", b"INSERT INTO t VALUES (1, 'a format b')", ("INSERT INTO t VALUES (1, 'a format b')", None, "")),
        ("", b"INSERT INTO t SELECT 1 FORMAT Null", ("INSERT INTO t SELECT 1 FORMAT Null", None, "")),
        (
            "",
            b"-- format Native\nINSERT INTO t (`format x`) /* FORMAT CSV */ SETTINGS a='format b' FORMAT CSV\n1\n",
            ("-- format Native\nINSERT INTO t (`format x`) /* FORMAT CSV */ SETTINGS a='format b'", b"1\n", "CSV"),
        ),
        (
            "INSERT INTO t (a, format) FORMAT JSONEachRow",
            b'{"a": "INSERT FORMAT CSV"}',
            ("INSERT INTO t (a, format)", b'{"a": "INSERT FORMAT CSV"}', "JSONEachRow"),
        ),
    ],
)
def test_where_a_statement_ends_and_its_data_begin(
    query: str, body: bytes, expected: tuple[str, bytes | None, str]
) -> None:
    assert split_statement(query.encode(), body) == expected


def test_settings_are_what_is_nothing_else() -> None:
    request = parse(
        {
            "query": "SELECT {x:String}",
            "param_x": "a",
            "max_threads": "2",
            "session_id": "s",
            "wait_end_of_query": "1",
            "default_format": "Native",
        },
        "rekindle",
        "",
        b"",
    )
    assert (request.settings, request.parameters) == ({"max_threads": "2"}, {"x": "a"})
    assert (request.session, request.database, request.format) == ("s", "rekindle", "Native")


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("lz4", lz4.frame.compress), ("zstd", zstd.compress), ("gzip", gzip.compress), ("", bytes)],
)
def test_all_frames_of_a_body_are_read(encoding: str, compress) -> None:
    assert decompress(encoding, compress(b"first,") + compress(b"second")) == b"first,second"


@pytest.mark.parametrize(
    ("encoding", "body"), [("zstd", b"nonsense"), ("lz4", b"nonsense"), ("gzip", b"x"), ("br", b"")]
)
def test_a_body_that_cannot_be_read_is_a_bad_request(encoding: str, body: bytes) -> None:
    with pytest.raises(BadRequestError, match=encoding):
        decompress(encoding, body)


@pytest.mark.parametrize("cut", [1, 5, 20])
@pytest.mark.parametrize(("encoding", "compress"), [("lz4", lz4.frame.compress), ("zstd", zstd.compress)])
def test_a_body_cut_short_is_refused_rather_than_losing_rows(encoding: str, compress, cut: int) -> None:
    whole = compress(b"row\n" * 1000 + bytes(range(256)))
    with pytest.raises(BadRequestError, match=encoding):
        decompress(encoding, whole[:-cut])


def test_native_compression_is_refused_with_advice() -> None:
    with pytest.raises(BadRequestError, match="Content-Encoding"):
        parse({"query": "SELECT 1", "compress": "1"}, "", "", b"")
