"""The HTTP interface before the embedded engine, with the client that everybody uses and with bare requests."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote, urlsplit

import clickhouse_connect
import pytest
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from infra.local import processes
from infra.local.clickhouse import ClickHouse
from infra.local.ports import choose
from infra.local.service import Place
from streams.settings import Settings
from tests.support import until

pytestmark = pytest.mark.services

ROWS = 3000


@pytest.fixture
def client(settings: Settings, fresh_database: None) -> Iterator[Client]:
    client = clickhouse_connect.get_client(dsn=settings.clickhouse_dsn)
    yield client
    client.close()


def post(settings: Settings, body: bytes, query: str = "", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(f"{address(settings)}/?{query}", data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def address(settings: Settings) -> str:
    parts = urlsplit(settings.clickhouse_dsn)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("compress", ["lz4", "zstd", "gzip", False])
def test_what_is_inserted_is_read_back(settings: Settings, fresh_database: None, compress: str | bool) -> None:
    client = clickhouse_connect.get_client(dsn=settings.clickhouse_dsn, compress=compress)
    client.command("CREATE TABLE t (id UInt64, name String, money Decimal(18, 6), at DateTime64(3)) ORDER BY id")
    at = datetime(2017, 3, 4, 5, 6, 7, 8000, tzinfo=UTC)
    rows = [(number, "naïve 'x'\\\n\t" * 9, Decimal("1.5") * number, at) for number in range(ROWS)]
    summary = client.insert("t", rows, column_names=["id", "name", "money", "at"])
    assert summary.written_rows == ROWS
    result = client.query("SELECT * FROM t ORDER BY id", query_tz="UTC")
    assert [(*row[:3], row[3].replace(tzinfo=UTC)) for row in result.result_rows] == rows
    client.close()


def test_a_repeated_batch_with_the_same_token_counts_once(client: Client) -> None:
    client.command("CREATE TABLE t (id UInt64) ORDER BY id")
    client.command("CREATE TABLE totals (n UInt64) ENGINE = SummingMergeTree ORDER BY tuple()")
    client.command("CREATE MATERIALIZED VIEW v TO totals AS SELECT count() AS n FROM t")
    for token in ("a", "a", "b", "a"):
        settings = {"insert_deduplication_token": token, "deduplicate_blocks_in_dependent_materialized_views": 1}
        client.insert("t", [[1], [2]], column_names=["id"], settings=settings)
    assert client.query("SELECT count() FROM t").result_rows == [(4,)]
    assert client.query("SELECT sum(n) FROM totals").result_rows == [(4,)]


def test_parameters_are_values_whatever_they_contain(client: Client) -> None:
    parameters = {"text": "it's \\ a\ttab", "many": ["a", "b'c"], "number": 7, "none": None}
    row = client.query(
        "SELECT {text:String}, {many:Array(String)}, {number:UInt8}, {none:Nullable(String)}", parameters=parameters
    ).first_row
    assert list(row) == ["it's \\ a\ttab", ["a", "b'c"], 7, None]


def test_settings_hold_for_their_query_only(client: Client) -> None:
    query = "SELECT getSetting('max_threads')"
    before = client.query(query).first_row
    assert client.query(query, settings={"max_threads": 3}).first_row == (3,)
    assert client.query(query).first_row == before


def test_a_session_keeps_its_settings_and_temporary_tables(client: Client) -> None:
    client.command("SET max_block_size = 1234")
    client.command("CREATE TEMPORARY TABLE mine (n UInt8)")
    client.command("INSERT INTO mine VALUES (5)")
    assert client.query("SELECT n, getSetting('max_block_size') FROM mine").first_row == (5, 1234)
    once = client.query("SELECT getSetting('max_block_size')", settings={"max_block_size": 99})
    assert once.first_row == (99,)
    assert client.query("SELECT getSetting('max_block_size')").first_row == (1234,)


def test_another_client_sees_neither(client: Client, settings: Settings) -> None:
    client.command("CREATE TEMPORARY TABLE mine (n UInt8)")
    other = clickhouse_connect.get_client(dsn=settings.clickhouse_dsn)
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        other.query("SELECT * FROM mine")
    other.close()


def test_errors_carry_the_code_and_leave_the_client_usable(client: Client) -> None:
    with pytest.raises(DatabaseError, match="Code: 60"):
        client.query("SELECT * FROM missing")
    with pytest.raises(DatabaseError, match="UNKNOWN_SETTING"):
        client.query("SELECT 1", settings={"no_such_setting": 1})
    client.command("CREATE TABLE t (id UInt64) ORDER BY id")
    with pytest.raises(DatabaseError):
        client.raw_insert("t", insert_block=b"nonsense", fmt="Native")
    assert client.query("SELECT count() FROM t").first_row == (0,)


def test_several_clients_work_at_once(settings: Settings, client: Client) -> None:
    client.command("CREATE TABLE t (id UInt64) ORDER BY id")

    def work(number: int) -> int:
        own = clickhouse_connect.get_client(dsn=settings.clickhouse_dsn)
        for part in range(5):
            own.insert("t", [[number * 100 + part]], column_names=["id"])
        count = own.query(
            "SELECT count() FROM t WHERE id BETWEEN {a:UInt64} AND {b:UInt64}",
            parameters={"a": number * 100, "b": number * 100 + 99},
        ).first_row[0]
        own.close()
        return int(count)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [5] * 8
    assert client.query("SELECT count() FROM t").first_row == (40,)


def test_statements_in_the_address_and_in_the_body(settings: Settings, client: Client) -> None:
    client.command("CREATE TABLE t (a UInt64, b String) ORDER BY a")
    database = f"database={urlsplit(settings.clickhouse_dsn).path[1:]}"
    insert = quote("INSERT INTO t FORMAT JSONEachRow")
    assert post(settings, b'{"a": 1, "b": "x"}', f"{database}&query={insert}") == (200, b"")
    assert post(settings, b"INSERT INTO t FORMAT CSV\n2,y\n", database) == (200, b"")
    assert post(settings, b"(3, 'z')", f"{database}&query={quote('INSERT INTO t VALUES')}") == (200, b"")
    assert post(settings, b"INSERT INTO t SELECT 4, 'w'", database) == (200, b"")
    status, body = post(settings, b"SELECT * FROM t ORDER BY a FORMAT JSONEachRow", database)
    rows = [json.loads(line) for line in body.splitlines()]
    assert (status, [row["b"] for row in rows]) == (200, ["x", "y", "z", "w"])
    with urllib.request.urlopen(f"{address(settings)}/?query=SELECT%2042") as answer:
        assert answer.read() == b"42\n"


def test_another_hosts_name_is_refused(settings: Settings) -> None:
    assert post(settings, b"SELECT 1", headers={"Host": "rebound.example.com"})[0] == 400


def test_nonsense_is_a_bad_request(settings: Settings) -> None:
    assert post(settings, b"x", headers={"Content-Encoding": "zstd"})[0] == 400
    assert post(settings, b"SELECT 1", "session_timeout=soon")[0] == 400


def test_half_a_body_is_no_half_insert(settings: Settings, client: Client) -> None:
    client.command("CREATE TABLE t (a UInt64) ORDER BY a")
    parts = urlsplit(settings.clickhouse_dsn)
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as killed:
        query = quote("INSERT INTO rekindle.t FORMAT CSV")
        head = f"POST /?query={query} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 100\r\n\r\n"
        killed.sendall(head.encode() + b"1\n2\n")
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as after:
        after.sendall(f"GET /ping HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert b"200 OK" in after.recv(1000)
    assert client.query("SELECT count() FROM t").first_row == (0,)


def test_the_folder_is_open_once_and_its_data_outlive_the_process(tmp_path: Path) -> None:
    service, log = ClickHouse(), tmp_path / "log"
    first, second = (Place(tmp_path, {"http": port}, {}) for port in choose(2))
    program = service.prepare(first)
    process = processes.start(program.command, program.environment, log)
    try:
        until(lambda: service.is_ready(first), 30, "the first one's answer")
        client = clickhouse_connect.get_client(dsn=service.address(first.ports))
        client.command("CREATE TABLE t (id UInt64) ORDER BY id")
        client.insert("t", [[7]], column_names=["id"])
        client.close()

        program = service.prepare(second)
        refused = processes.start(program.command, program.environment, tmp_path / "refused")
        until(lambda: not processes.alive(refused), 30, "the second one's end")
        assert "is open in another process" in (tmp_path / "refused").read_text(encoding="utf-8")

        os.kill(process.pid, signal.SIGTERM)
        until(lambda: not processes.alive(process), 10, "the first one's end")
        assert log.read_text(encoding="utf-8") == ""
        process = processes.start(program.command, program.environment, log)
        until(lambda: service.is_ready(second), 30, "its answer after the restart")
        client = clickhouse_connect.get_client(dsn=service.address(second.ports))
        assert client.query("SELECT id FROM t").result_rows == [(7,)]
        client.close()
    finally:
        processes.stop([process], grace_s=10)
