"""Bring the database to the schema of this version: numbered files of SQL, each applied once and recorded.

Several sinks may start at once, and one may die in the middle. Three things make that harmless:

1. A migration is claimed by an insert with a deduplication token: of many claims ClickHouse keeps the first. The
   claimant runs it; the others wait until it is recorded as done.
2. A claim is a lease. If its holder is not done in time, the next attempt is claimed in the same way.
3. Every statement can be repeated (`IF NOT EXISTS`), so that an attempt may take up where another broke off.

A file that was applied must not change afterwards: its checksum is recorded and compared.
"""

import hashlib
import logging
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from sinks.clickhouse.connect import Client
from streams.errors import RekindleError

LEASE_S = 30.0
_POLL_S = 0.1

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_BOOKKEEPING = (
    """
    CREATE TABLE IF NOT EXISTS schema_migration_claims
    (number UInt32, attempt UInt32, claimant String, claimed_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
    ENGINE = MergeTree ORDER BY (number, attempt)
    SETTINGS non_replicated_deduplication_window = 10000
    """,
    """
    CREATE TABLE IF NOT EXISTS schema_migrations
    (number UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC'))
    ENGINE = MergeTree ORDER BY number
    SETTINGS non_replicated_deduplication_window = 10000
    """,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self) -> Iterator[str]:
        """Its statements, without comments; each ends with a semicolon at the end of a line."""
        bare = "\n".join(line for line in self.text.splitlines() if not line.lstrip().startswith("--"))
        for part in re.split(r";\s*(?:\n|$)", bare):
            if part.strip():
                yield part.strip()


def read_migrations() -> list[Migration]:
    """Read the migrations that ship with this version, in order. Raises `RekindleError` for a wrong number."""
    found: dict[int, Migration] = {}
    for item in resources.files("sinks.clickhouse").joinpath("migrations").iterdir():
        if not item.name.endswith(".sql"):
            continue
        match = _FILE.fullmatch(item.name)
        if match is None or int(match.group(1)) in found:
            raise RekindleError(f"migrations/{item.name}: expected a number of its own, as in 0001_name.sql")
        found[int(match.group(1))] = Migration(int(match.group(1)), match.group(2), item.read_text(encoding="utf-8"))
    return [found[number] for number in sorted(found)]


def migrate(client: Client, migrations: list[Migration] | None = None, *, lease_s: float = LEASE_S) -> list[Migration]:
    """Apply what is missing, in order; returns what this call applied.

    Raises `RekindleError` if an applied file has changed or the database is ahead of this version, and the driver's
    `ClickHouseError` when the server fails.
    """
    migrations = read_migrations() if migrations is None else migrations
    for statement in _BOOKKEEPING:
        client.command(statement)
    _refuse_foreign(client, migrations)
    return [migration for migration in migrations if _apply_once(client, migration, lease_s)]


def _refuse_foreign(client: Client, migrations: list[Migration]) -> None:
    known = {migration.number: migration for migration in migrations}
    for number, name, checksum in client.query(
        "SELECT number, any(name), any(checksum) FROM schema_migrations GROUP BY number ORDER BY number"
    ).result_rows:
        if number not in known:
            raise RekindleError(f"the database has migration {number:04}_{name}, which this version doesn't know")
        if known[number].checksum != checksum:
            raise RekindleError(f"migration {number:04}_{name} was changed after it was applied; add a new one instead")


def _apply_once(client: Client, migration: Migration, lease_s: float) -> bool:
    claimant = uuid.uuid4().hex
    attempt = 0
    while not _is_done(client, migration):
        if _claim(client, migration, attempt, claimant):
            for statement in migration.statements():
                client.command(statement)
            client.insert(
                "schema_migrations",
                [[migration.number, migration.name, migration.checksum]],
                column_names=["number", "name", "checksum"],
                settings={"insert_deduplication_token": f"done/{migration.number}", "async_insert": 0},
            )
            log.info("applied migration %04d_%s", migration.number, migration.name)
            return True
        deadline = time.monotonic() + lease_s
        while time.monotonic() < deadline and not _is_done(client, migration):
            time.sleep(_POLL_S)
        attempt += 1
    return False


def _is_done(client: Client, migration: Migration) -> bool:
    count = client.command(
        "SELECT count() FROM schema_migrations WHERE number = %(number)s", parameters={"number": migration.number}
    )
    return bool(count)


def _claim(client: Client, migration: Migration, attempt: int, claimant: str) -> bool:
    client.insert(
        "schema_migration_claims",
        [[migration.number, attempt, claimant]],
        column_names=["number", "attempt", "claimant"],
        settings={"insert_deduplication_token": f"claim/{migration.number}/{attempt}", "async_insert": 0},
    )
    holder = client.command(
        "SELECT any(claimant) FROM schema_migration_claims WHERE number = %(number)s AND attempt = %(attempt)s",
        parameters={"number": migration.number, "attempt": attempt},
    )
    return bool(holder == claimant)
