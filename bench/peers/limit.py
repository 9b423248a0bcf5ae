"""What bounds any worker in Python: librdkafka's consumer, our columnar decoder, librdkafka's producer; nothing else.

Of each batch the member, the time and the total are decoded; one record in ten is put out. No state, no timers, no
transaction; offsets are committed as they come.
"""

import json
import os
from pathlib import Path

from confluent_kafka import Consumer, Producer

from schemas.avro_columns import compile_column_reader
from schemas.avro_decode import plan_fields
from schemas.declarations import avro_schemas
from streams import settings as settings_module
from streams.kafka import consumer_config, producer_config

BATCH = 5000
RECORD = "PurchaseCompleted"
FIELDS = frozenset({"member_id", "occurred_at", "total"})


def main() -> None:
    """Run until killed."""
    settings = settings_module.load()
    consumer = Consumer({**consumer_config(settings, os.environ["BENCH_GROUP"]), "queued.min.messages": 50_000})
    producer = Producer({**producer_config(settings), "queue.buffering.max.messages": 1_000_000})
    schema = avro_schemas()[f"rekindle.events.{RECORD}"]
    reader = compile_column_reader(schema, schema, plan_fields(schema))
    assert reader is not None
    written = json.loads(Path(os.environ["BENCH_SCHEMAS"]).read_text())
    head = next(bytes.fromhex(head) for head, each in written.items() if each["name"] == RECORD)
    consumer.subscribe(["member.events"])
    while True:
        messages = consumer.consume(BATCH, 1.0)
        if not messages:
            continue
        receipts = [value[len(head) :] for message in messages if (value := message.value()).startswith(head)]
        if receipts:
            assert reader.read(receipts, FIELDS) is not None
        out = [{"key": message.key(), "value": message.value()[:200]} for message in messages[::10]]
        producer.produce_batch("bench.commands", out)
        producer.poll(0)
        consumer.commit(asynchronous=True)


if __name__ == "__main__":
    main()
