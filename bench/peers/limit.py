"""What bounds any worker in Python: librdkafka's consumer, polars-avro's columns, librdkafka's producer; nothing else.

A batch is decoded as one Avro container, without a look at whether its records are sound; of the columns, the member,
the time and the total become values of Python. One record in ten is put out. No state, no timers, no transaction;
offsets are committed as they come.
"""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars_avro
from confluent_kafka import Consumer, Producer

from schemas.declarations import avro_schemas
from schemas.wire.write import encode_long
from streams import settings as settings_module
from streams.kafka import consumer_config, producer_config

BATCH = 5000
RECORD = "PurchaseCompleted"
FIELDS = ["member_id", "occurred_at", "total"]
SYNC = bytes(16)


def container_head(schema: Any) -> bytes:
    """What a container of these records begins with; numbers stay bytes, times integers, which is cheaper."""
    parts = (b"avro.codec", b"null", b"avro.schema", json.dumps(_raw(schema)).encode())
    return b"".join((b"Obj\x01\x04", *(encode_long(len(part)) + part for part in parts), b"\x00", SYNC))


def _raw(avro: Any) -> Any:
    if isinstance(avro, list):
        return [_raw(each) for each in avro]
    if not isinstance(avro, dict):
        return avro
    left_out = {"logicalType", "precision", "scale", "default", "doc"}
    return {key: _raw(value) for key, value in avro.items() if key not in left_out}


def columns(head: bytes, payloads: Sequence[bytes]) -> list[list[Any]]:
    """Read payloads, and make values of the fields."""
    body = b"".join(payloads)
    container = b"".join((head, encode_long(len(payloads)), encode_long(len(body)), body, SYNC))
    frame = polars_avro.read_avro(io.BytesIO(container))
    return [frame.get_column(name).to_list() for name in FIELDS]


def main() -> None:
    """Run until killed."""
    settings = settings_module.load()
    consumer = Consumer({**consumer_config(settings, os.environ["BENCH_GROUP"]), "queued.min.messages": 50_000})
    producer = Producer({**producer_config(settings), "queue.buffering.max.messages": 1_000_000})
    head_of_container = container_head(avro_schemas()[f"rekindle.events.{RECORD}"])
    written = json.loads(Path(os.environ["BENCH_SCHEMAS"]).read_text())
    head = next(bytes.fromhex(head) for head, each in written.items() if each["name"] == RECORD)
    consumer.subscribe(["member.events"])
    while True:
        messages = consumer.consume(BATCH, 1.0)
        if not messages:
            continue
        receipts = [value[len(head) :] for message in messages if (value := message.value() or b"").startswith(head)]
        if receipts:
            assert len(columns(head_of_container, receipts)[0]) == len(receipts)
        out = [{"key": message.key(), "value": (message.value() or b"")[:200]} for message in messages[::10]]
        producer.produce_batch("bench.commands", out)
        producer.poll(0)
        consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()
