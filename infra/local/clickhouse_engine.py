"""ClickHouse's embedded engine for many clients: a pool of connections, and one for each HTTP session.

Connections within one process share the engine and run in parallel; one connection runs one statement at a time.
Settings of a request hold for that request only: they are set before it and taken back after it.
"""

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb

from infra.local.clickhouse_request import Request

IDLE_CONNECTIONS_MAX = 16
DATABASE_DEFAULT = "default"
CODE_SESSION_IS_LOCKED = 373

_CODE = re.compile(r"Code: (\d+)\.")
_SET = re.compile(r"\s*SET\b", re.IGNORECASE)


class EngineError(Exception):
    """The engine refused: ClickHouse's error code (0 when it gave none) and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What a statement gave."""

    body: bytes
    rows_read: int
    rows_written: int
    elapsed_ns: int


@dataclass(slots=True)
class _Connection:
    engine: Any
    database: str = DATABASE_DEFAULT
    own_settings: bool = False
    """Whether a SET was executed: then settings of a request must be put back to what they were."""
    busy: threading.Lock = field(default_factory=threading.Lock)
    expires_at_s: float = 0.0


class Engine:
    """The engine on one folder, which no other process may have open."""

    def __init__(self, path: Path, config: Path, database: str) -> None:
        """Open (or make) the folder and the database."""
        self._address = str(path)
        self._lock = threading.Lock()
        self._idle: list[_Connection] = []
        self._sessions: dict[str, _Connection] = {}
        # The first connection carries the configuration and keeps the engine alive until the end.
        self._root = chdb.connect(f"{path}?config-file={config}")
        self._root.query(f"CREATE DATABASE IF NOT EXISTS {_name(database)}")

    def execute(self, request: Request) -> Answer:
        """Run one statement. Raises `EngineError`."""
        with self._connection(request) as connection:
            try:
                return _execute(connection, request)
            except RuntimeError as error:  # ChdbError is one too
                raise _translate(error) from error

    def close(self) -> None:
        """Close every connection: what was written is on disk then."""
        with self._lock:
            for connection in [*self._idle, *self._sessions.values()]:
                connection.engine.close()
            self._idle.clear()
            self._sessions.clear()
            self._root.close()

    @contextlib.contextmanager
    def _connection(self, request: Request) -> Iterator[_Connection]:
        if request.session:
            with self._session(request) as connection:
                yield connection
            return
        with self._lock:
            connection = self._idle.pop() if self._idle else self._connect()
        clean = False
        try:
            yield connection
            clean = not _SET.match(request.sql) and "readonly" not in request.settings
        finally:
            # Of a connection that failed or was given settings nobody knows the state: it isn't used again.
            with self._lock:
                if clean and len(self._idle) < IDLE_CONNECTIONS_MAX:
                    self._idle.append(connection)
                else:
                    connection.engine.close()

    @contextlib.contextmanager
    def _session(self, request: Request) -> Iterator[_Connection]:
        now_s = time.monotonic()
        with self._lock:
            for name, old in list(self._sessions.items()):
                if old.expires_at_s < now_s and not old.busy.locked():
                    self._sessions.pop(name).engine.close()
            connection = self._sessions.get(request.session) or self._connect()
            self._sessions[request.session] = connection
            if not connection.busy.acquire(blocking=False):
                raise EngineError(
                    CODE_SESSION_IS_LOCKED,
                    f"Code: {CODE_SESSION_IS_LOCKED}. DB::Exception: Session {request.session} is locked by another "
                    "statement. (SESSION_IS_LOCKED)",
                )
        try:
            yield connection
        finally:
            connection.expires_at_s = time.monotonic() + request.session_timeout_s
            connection.busy.release()

    def _connect(self) -> _Connection:
        return _Connection(chdb.connect(self._address))


def _execute(connection: _Connection, request: Request) -> Answer:
    database = request.database or (connection.database if request.session else DATABASE_DEFAULT)
    if database != connection.database:
        connection.engine.query(f"USE {_name(database)}")
        connection.database = database
    before = _own_settings(connection, request.settings) if connection.own_settings else {}
    if request.settings:
        connection.engine.query("SET " + ", ".join(f"{_name(k)} = {_text(v)}" for k, v in request.settings.items()))
    began_ns = time.monotonic_ns()
    try:
        if request.data is None:
            result = connection.engine.query(request.sql, request.format, params=dict(request.parameters) or None)
            body, read, written = result.bytes() or b"", result.rows_read(), result.rows_written()
        else:
            body, read, written = b"", 0, _insert(connection.engine, request.sql, request.format, request.data)
    finally:
        if request.settings and "readonly" not in request.settings:  # it can't be taken back: the connection ends
            back = {name: _text(before[name]) if name in before else "DEFAULT" for name in request.settings}
            connection.engine.query("SET " + ", ".join(f"{_name(name)} = {value}" for name, value in back.items()))
    if request.session and _SET.match(request.sql):
        connection.own_settings = True
    return Answer(body, read, written, time.monotonic_ns() - began_ns)


def _insert(engine: Any, sql: str, data_format: str, data: bytes) -> int:
    inserter = engine.send_insert(sql, data_format)
    try:
        inserter.append(data)
        return int(inserter.finish().rows_written)
    except BaseException:
        inserter.cancel()
        raise


def _own_settings(connection: _Connection, settings: Mapping[str, str]) -> dict[str, str]:
    names = ", ".join(_text(name) for name in settings) or "''"
    found = connection.engine.query(
        f"SELECT name, value FROM system.settings WHERE changed AND name IN ({names})",  # noqa: S608 - quoted
        "TSV",
    )
    rows = (line.split("\t", 1) for line in (found.bytes() or b"").decode().splitlines())
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in rows}


def _translate(error: RuntimeError) -> EngineError:
    text = str(error)
    found = _CODE.search(text)
    return EngineError(int(found.group(1)) if found else 0, text[found.start() :] if found else text)


def _name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
