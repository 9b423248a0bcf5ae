"""How fast rows come into ClickHouse and dispatches out of the door, on local services of its own.

Four figures, each per second and process: rows inserted by columns (blocks made before), records of the log through the
whole sink (decode, rows, insert) with the rows they make, and dispatches through a sender with the file gateway.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

from confluent_kafka import Producer

from infra import local
from schemas.codec import Codec
from schemas.registry import Registry
from schemas.topics import create_topics
from sinks.clickhouse.batch import Batch, Stored
from sinks.clickhouse.connect import connect
from sinks.clickhouse.run import migrate_database
from sinks.clickhouse.write import insert, make_blocks
from streams import settings as settings_module
from streams.engine.commands import Dispatch
from streams.engine.events import Event
from streams.kafka import producer_config
from streams.settings import Settings

RECEIPTS = 100_000
LINES = 8
DISPATCHES = 20_000
BATCH = 20_000
LIMIT_S = 300.0


def measure(settings: Settings, environment: dict[str, str]) -> dict[str, dict[str, float]]:
    """All figures; the services must be fresh."""
    registry = Registry.from_settings(settings)
    create_topics(settings)
    registry.register_all()
    codec = Codec(registry)
    migrate_database(settings)
    columns = _columns(settings)
    _produce(settings, codec, "member.events", _receipts(RECEIPTS))
    _produce(settings, codec, "send.sms", _dispatches(DISPATCHES))
    records = _through_sink(settings, environment)
    return {
        "sink_rows": {"by_columns": columns, "whole_sink": records * (2 + LINES)},
        "sink_records": {"whole_sink": records},
        "sender_dispatches": {"file_gateway": _through_sender(settings, environment)},
    }


def _receipts(count: int) -> Iterator[Event]:
    for number in range(count):
        yield Event(
            event_id=f"e{number:09}",
            type="purchase_completed",
            occurred_at=1_500_000_000_000 + number * 250,
            source="bench",
            key=f"m{number % 5000}",
            member_id=f"m{number % 5000}",
            body={
                "receipt_id": f"r{number:09}",
                "store_id": f"s{number % 40}",
                "pos_id": "p1",
                "total": Decimal(number % 5000) / 4,
                "discount": Decimal("1.25"),
                "bonus_paid": Decimal(0),
                "lines": [
                    {
                        "sku": f"sku{(number * 7 + line) % 9000}",
                        "name": f"Article {(number * 7 + line) % 9000}",
                        "category": f"category {line}",
                        "quantity": Decimal(1),
                        "price": Decimal("3.49"),
                        "discount": Decimal(0),
                    }
                    for line in range(LINES)
                ],
            },
        )


def _dispatches(count: int) -> Iterator[Dispatch]:
    for number in range(count):
        yield Dispatch(
            at=1_500_000_000_000 + number,
            dispatch_id=f"{number:032}",
            member_id=f"m{number % 5000}",
            campaign="come-back",
            version=1,
            action="actions[1]",
            channel="sms",
            to="+79161234567",
            content={"text": "We miss you"},
            messaging_type="marketing",
        )


def _produce(settings: Settings, codec: Codec, topic: str, records: Iterator[Event | Dispatch]) -> None:
    producer = Producer(producer_config(settings) | {"queue.buffering.max.messages": 500_000})
    for record in records:
        at = record.occurred_at if isinstance(record, Event) else record.at
        producer.produce(topic, key=record.member_id, value=codec.encode(record), timestamp=at)
        producer.poll(0)
    assert producer.flush(60) == 0


def _columns(settings: Settings) -> float:
    events = list(_receipts(BATCH))
    stored = tuple(Stored(number, 0, b"", b"") for number in range(BATCH))
    batch = Batch("bench", 0, 0, BATCH - 1, stored, decided=True, suspect=False)
    blocks = make_blocks(batch, lambda _topic, _partition, _stored: events)
    with connect(settings.clickhouse_dsn) as client:
        best = 0.0
        for attempt in range(4):
            started = time.perf_counter()
            for block in blocks:
                insert(client, block, f"bench/{attempt}")
            best = max(best, sum(block.rows for block in blocks) / (time.perf_counter() - started))
        for block in blocks:
            client.command(f"TRUNCATE TABLE {block.table.name}")
    return best


def _through_sink(settings: Settings, environment: dict[str, str]) -> float:
    with connect(settings.clickhouse_dsn) as client:
        return _rate(
            ["sink"], environment, RECEIPTS, lambda: client.query("SELECT count() FROM events").result_rows[0][0]
        )


def _through_sender(settings: Settings, environment: dict[str, str]) -> float:
    path = settings.outbox / "sms.jsonl"
    return _rate(
        ["sender", "sms"],
        environment | {"REKINDLE_CLOCK": "event"},
        DISPATCHES,
        lambda: path.read_bytes().count(b"\n") if path.exists() else 0,
    )


def _rate(command: list[str], environment: dict[str, str], count: int, done: Callable[[], int]) -> float:
    """Things per second of a fresh process, from its first result to its last."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "streams", *command], env={**os.environ, **environment}, stdout=output, stderr=output
        )
        try:
            deadline = time.monotonic() + LIMIT_S
            first: tuple[float, int] | None = None
            while True:
                now, reached = time.monotonic(), done()
                if reached and first is None:
                    first = (now, reached)
                if reached >= count:
                    break
                if now > deadline or process.poll() is not None:
                    output.seek(0)
                    raise SystemExit(f"{' '.join(command)}: {reached} of {count}\n{output.read().decode()[-2000:]}")
                time.sleep(0.02)
        finally:
            process.terminate()
            process.wait(30)
    assert first is not None
    began, before = first
    return (count - before) / max(now - began, 1e-9)


def main() -> None:
    """Run on services of its own and print the figures as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        services = local.up(directory / "services")
        try:
            environment = {
                **services.environment(),
                "REKINDLE_DATA_DIR": str(directory / "data"),
                "REKINDLE_OUTBOX": str(directory / "outbox"),
            }
            found = measure(settings_module.load(environment), environment)
        finally:
            local.down(directory / "services")
    print(json.dumps({name: {k: round(v) for k, v in each.items()} for name, each in found.items()}, indent=2))


if __name__ == "__main__":
    main()
