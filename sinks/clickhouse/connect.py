"""Connections to ClickHouse: one place for addresses, timeouts and what a failure means.

The embedded engine of `rekindle local` answers the same interface, so there is one client for both.
"""

import re
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError, InterfaceError, OperationalError

from streams.errors import RekindleError

SEND_RECEIVE_TIMEOUT_S = 60
CONNECT_TIMEOUT_S = 5

_MALFORMED = (
    "REKINDLE_CLICKHOUSE_DSN: expected http(s)://[user[:password]@]host:port/database "
    "(in user and password write signs other than letters, digits, `.`, `_`, `~` and `-` as %XX)"
)
_DATABASE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

# Server errors that a repetition cannot heal: wrong SQL, missing tables or columns, wrong types, no rights.
_LASTING_CODES = frozenset({6, 10, 16, 20, 27, 36, 43, 44, 46, 47, 50, 53, 60, 62, 70, 81, 115, 193, 194, 497, 516})
_REFUSAL_CODES = frozenset({192, 193, 194, 497, 516})  # unknown user, wrong or missing password, no right to do it
_CODE = re.compile(r"[Cc]ode:? ?(\d+)")


def connect(dsn: str, *, create_database: bool = False, answer_s: int = SEND_RECEIVE_TIMEOUT_S) -> Client:
    """Open a client for the database that the address names.

    `create_database` creates it first; `answer_s` is how long an answer may take. Raises `RekindleError` when the
    address is malformed, and the driver's `ClickHouseError` when the server cannot be reached.
    """
    database = database_of(dsn)
    if create_database:
        parts = urlsplit(dsn)
        with _client(parts._replace(path="/default").geturl()) as client:
            client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    return _client(dsn, answer_s)


def database_of(dsn: str) -> str:
    """Tell the database that an address names. Raises `RekindleError` if it names none, or not a plain word."""
    try:
        parts = urlsplit(dsn)
        database = parts.path.strip("/")
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # whose words may show the password
        raise RekindleError(_MALFORMED) from None
    if not is_address or not _DATABASE_NAME.fullmatch(database):
        raise RekindleError(_MALFORMED)
    return database


def is_lasting(error: BaseException) -> bool:
    """Whether the same request would fail again however often it is repeated."""
    return is_refusal(error) or _code(error) in _LASTING_CODES


def is_refusal(error: BaseException) -> bool:
    """Whether it is about who may come in, or whom we trust."""
    return _code(error) in _REFUSAL_CODES or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _code(error: BaseException) -> int | None:
    found = _CODE.search(str(error)) if isinstance(error, DatabaseError) else None
    return None if found is None else int(found.group(1))


def _client(dsn: str, answer_s: int = SEND_RECEIVE_TIMEOUT_S) -> Client:
    try:
        return clickhouse_connect.get_client(
            dsn=dsn,
            interface=urlsplit(dsn).scheme,  # of an address alone the driver takes 8443 for TLS, and no other port
            compress="lz4",
            connect_timeout=CONNECT_TIMEOUT_S,
            send_receive_timeout=answer_s,
            autogenerate_session_id=False,
            query_retries=0,
        )
    except TypeError as error:  # an argument that it doesn't have
        raise RekindleError(f"REKINDLE_CLICKHOUSE_DSN: what stands behind the `?` isn't taken: {error}") from None


__all__ = [
    "ClickHouseError",
    "Client",
    "InterfaceError",
    "OperationalError",
    "connect",
    "database_of",
    "is_lasting",
    "is_refusal",
]
