"""ClickHouse's HTTP interface before its embedded engine: so that several processes and foreign clients reach it.

Enough of the interface for clickhouse-connect and curl: statements in the address or the body, parameters, settings,
sessions, INSERTs in any format with compressed bodies, compressed answers. It has no access control: it listens on
the loopback interface only and refuses requests that a browser was led to send it under another host's name.

One process has a folder open at a time (a lock beside it says so). TERM lets running statements end, then closes.
"""

import argparse
import fcntl
import json
import signal
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import parse_qsl, urlsplit

from infra.local.clickhouse_engine import Engine, EngineError
from infra.local.clickhouse_request import BadRequestError, compress, decompress, parse
from infra.local.ports import HOST

BODY_BYTES_MAX = 1 << 30
COMPRESSED_FROM_BYTES = 512
IDLE_TIMEOUT_S = 300
LOCAL_NAMES = frozenset({HOST, "localhost"})
UNKNOWN_CODE = 1002


class Server(ThreadingHTTPServer):
    """One thread per connection; closing waits for the statements that run."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, engine: Engine) -> None:
        super().__init__((HOST, port), Handler)
        self.engine = engine
        self._running = 0
        self._none_runs = threading.Condition()

    def enter(self) -> None:
        """Count a statement that runs."""
        with self._none_runs:
            self._running += 1

    def leave(self) -> None:
        """Count it off."""
        with self._none_runs:
            self._running -= 1
            self._none_runs.notify_all()

    def drain(self, seconds: float) -> None:
        """Wait until no statement runs, at most so long."""
        with self._none_runs:
            self._none_runs.wait_for(lambda: self._running == 0, timeout=seconds)


class Handler(BaseHTTPRequestHandler):
    """Requests of one connection, one after another."""

    protocol_version = "HTTP/1.1"
    server_version = "chdb"
    wbufsize = -1
    disable_nagle_algorithm = True  # an answer is written in pieces: without this each may wait 40 ms
    timeout = IDLE_TIMEOUT_S
    server: Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Log nothing: there is a request per statement."""

    def do_GET(self) -> None:
        """Answer a ping, or run a statement from the address."""
        self._handle()

    def do_POST(self) -> None:
        """Run a statement from the address or the body, with data from the body."""
        self._handle()

    def _handle(self) -> None:
        self.server.enter()
        try:
            self._answer()
        except BadRequestError as error:
            self.close_connection = True
            self._reply(HTTPStatus.BAD_REQUEST, f"{error}\n".encode())
        except ConnectionError:
            self.close_connection = True  # the client is gone
        except EngineError as error:
            code = str(error.code or UNKNOWN_CODE)
            self._reply(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}\n".encode(), {"X-ClickHouse-Exception-Code": code})
        finally:
            self.server.leave()

    def _answer(self) -> None:
        if self.headers.get("Host", "").rsplit(":", 1)[0] not in LOCAL_NAMES:
            raise BadRequestError(f"only requests to {HOST} are answered")
        address = urlsplit(self.path)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        body = decompress(self.headers.get("Content-Encoding", "").lower(), self._read_body())
        if address.path == "/ping" or not (query or body):
            self._reply(HTTPStatus.OK, b"Ok.\n")
            return
        request = parse(
            query, self.headers.get("X-ClickHouse-Database", ""), self.headers.get("X-ClickHouse-Format", ""), body
        )
        answer = self.server.engine.execute(request)
        summary = {
            "read_rows": str(answer.rows_read),
            "written_rows": str(answer.rows_written),
            "elapsed_ns": str(answer.elapsed_ns),
        }
        headers = {
            "X-ClickHouse-Format": request.format,
            "X-ClickHouse-Query-Id": query.get("query_id", ""),
            "X-ClickHouse-Summary": json.dumps(summary),
        }
        encoding, content = "", answer.body
        if query.get("enable_http_compression") == "1" and len(content) > COMPRESSED_FROM_BYTES:
            encoding, content = compress(self.headers.get("Accept-Encoding", ""), content)
        if encoding:
            headers["Content-Encoding"] = encoding
        self._reply(HTTPStatus.OK, content, headers)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            raise BadRequestError("Content-Length is no number") from None
        if length > BODY_BYTES_MAX:
            raise BadRequestError(f"a body has at most {BODY_BYTES_MAX} bytes, this one {length}")
        return self._read(length)

    def _chunks(self) -> list[bytes]:
        chunks, total = [], 0
        while size := self._chunk_size():
            total += size
            if total > BODY_BYTES_MAX:
                raise BadRequestError(f"a body has at most {BODY_BYTES_MAX} bytes")
            chunks.append(self._read(size))
            self.rfile.readline()
        self.rfile.readline()
        return chunks

    def _read(self, size: int) -> bytes:
        """Read so much; half a body (its sender was killed) must not become half an INSERT."""
        data = self.rfile.read(size)
        if len(data) < size:
            raise ConnectionError
        return data

    def _chunk_size(self) -> int:
        line = self.rfile.readline()
        try:
            return int(line.split(b";")[0], 16)
        except ValueError:
            raise BadRequestError(f"a chunk begins with its size, not with {line[:20]!r}") from None

    def _reply(self, status: HTTPStatus, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Server-Display-Name", "rekindle-local")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def serve(path: Path, port: int, config: Path, database: str, *, grace_s: float = 10.0) -> None:
    """Serve until TERM or INT. Raises `OSError` for a busy port, `SystemExit` for a folder that is in use."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        _take(lock, path)
        engine = Engine(path, config, database)
        try:
            server = Server(port, engine)
            for number in (signal.SIGTERM, signal.SIGINT):
                # `shutdown` waits for the loop that this very thread runs: another one must call it.
                signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
            with server:
                server.serve_forever(poll_interval=0.1)
                server.drain(grace_s)
        finally:
            engine.close()


def _take(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(f"{path} is open in another process")


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--path", type=Path, required=True, help="folder of the data")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True, help="configuration of the engine (XML)")
    parser.add_argument("--database", required=True, help="database to make unless it is there")
    arguments = parser.parse_args()
    serve(arguments.path, arguments.port, arguments.config, arguments.database)


if __name__ == "__main__":
    main()
