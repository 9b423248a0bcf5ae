"""The sink process, put together: tables first, then reading."""

import logging
import threading
import time

from schemas.codec import Codec
from schemas.declarations import topic_declarations
from schemas.registry import Registry
from sinks.clickhouse.batch import Limits
from sinks.clickhouse.connect import ClickHouseError, connect, is_lasting
from sinks.clickhouse.consumer import ClickHouseSink
from sinks.clickhouse.decode import DEAD_LETTERS_TOPIC, ERASURES_TOPIC, LOG_TOPIC, make_decoder
from sinks.clickhouse.erase import Eraser
from sinks.clickhouse.migrate import Migration, migrate
from sinks.clickhouse.writers import as_message
from streams.errors import RekindleError
from streams.kafka import Kafka, partition_counts
from streams.runtime.local_state import claim
from streams.sealing.log_reader import LogReader
from streams.sealing.open import open_ring
from streams.serve_metrics import serve_metrics
from streams.settings import Settings
from streams.topics import MEMBER_PROFILES

START_S = 60.0
AGAIN_S = 1.0

log = logging.getLogger(__name__)


def topics() -> list[str]:
    """List what the sink reads: the log, commands, decisions, members' profiles, erasures and dead letters."""
    commands = [
        name
        for name, topic in topic_declarations().items()
        if any(schema.startswith("rekindle.commands.") for schema in topic.schemas)
    ]
    return sorted({LOG_TOPIC, DEAD_LETTERS_TOPIC, ERASURES_TOPIC, MEMBER_PROFILES, *commands})


def migrate_database(settings: Settings, wait_s: float = START_S) -> list[Migration]:
    """Create the database and bring its tables up to date, waiting for a ClickHouse that is still starting.

    Raises `RekindleError` when it doesn't answer in `wait_s`, or refuses.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            with connect(settings.clickhouse_dsn, create_database=True) as client:
                return migrate(client)
        except (ClickHouseError, OSError) as error:
            if is_lasting(error):
                raise as_message(error) from error
            if time.monotonic() > deadline:
                raise RekindleError(
                    "ClickHouse does not answer: start it, or set REKINDLE_CLICKHOUSE_DSN "
                    f"(`rekindle local up` prints the line): {str(error).splitlines()[0]}"
                ) from error
            log.warning("ClickHouse does not answer yet: %s", str(error).splitlines()[0])
            time.sleep(AGAIN_S)


def run_sink(settings: Settings, stop: threading.Event) -> None:
    """Run one sink until `stop` is set. Raises `RekindleError`."""
    existing = partition_counts(settings)
    missing = [topic for topic in topics() if topic not in existing]
    if missing:
        raise RekindleError(f"Kafka has no topic {missing[0]}: run `rekindle topics create` first")
    for migration in migrate_database(settings):
        log.info("the database is at migration %04d_%s", migration.number, migration.name)
    registry = Registry.from_settings(settings)
    registry.id_of("rekindle.log.DeadLetter")  # one clear message now if it is down
    codec = Codec(registry)
    limits = Limits(records_max=settings.sink_batch_records, linger_s=settings.sink_linger_ms / 1000)
    local = claim(settings, "sink") if settings.master_key else None  # its lock lasts as long as this function
    ring = None if local is None else open_ring(settings, Kafka(settings), local.path)
    sink = ClickHouseSink(settings, topics(), make_decoder(codec, LogReader(codec, ring)), stop, limits=limits)
    serve_metrics(settings, ready=sink.why_not_ready)
    Eraser(settings.clickhouse_dsn, settings.sink_erase_seconds, stop, lambda: sink.reads(ERASURES_TOPIC, 0)).start()
    try:
        sink.run()
    finally:
        if ring is not None:
            ring.close()
