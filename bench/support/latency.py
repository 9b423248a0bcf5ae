"""How long an event takes through both stages until its command can be read, by the wall clock.

Receipts of members in turn are published at an even pace; one in ten, those with a large total, is answered with a
message at once. What is timed is the way from the call that publishes to the `read_committed` reader of `send.sms`.
"""

import time

from confluent_kafka import Consumer

from bench.support.ground import Ground
from bench.support.receipts import Receipts
from streams.kafka import consumer_config

OUTPUT = "send.sms"
TICK_S = 0.004
SETTLE_S = 5.0
PROGRAMME = {
    "hello.yaml": (
        "id: hello\ntrigger: {event: purchase_completed, where: {total: {ge: 75}}}\n"
        "actions: [{send: {channel: sms, template: hello, messaging_type: service}}]\n"
    ),
    "templates/t.yaml": 'templates: [{id: hello, text: "Thank you, {{ member.first_name }}"}]',
}


def measure(ground: Ground, receipts: Receipts, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds of half of the commands and of all but one in a hundred. Both stages must run and be idle."""
    own = {"auto.offset.reset": "latest"}
    consumer = Consumer({**consumer_config(ground.settings, "bench-latency"), **own})
    consumer.subscribe([OUTPUT])
    until_assigned(consumer)
    producer = ground.kafka.producer({"linger.ms": 1})
    source = receipts.now()
    sent_at: dict[bytes | None, float] = {}
    found: list[float] = []
    began = time.time()
    published, stop = 0, began + SETTLE_S + seconds
    while (now := time.time()) < stop + SETTLE_S:
        if now < stop:
            for _ in range(int((now - began) * rate) - published):
                record = next(source)
                assert record.key is not None
                sent_at[record.key] = time.time()
                producer.produce("pos.receipts", record.value, record.key, timestamp=record.at)
                published += 1
            producer.poll(0)
        came = [message.key() for message in consumer.consume(1000, TICK_S) if message.error() is None]
        if now - began > SETTLE_S:
            found += [time.time() - sent_at[member] for member in came]
    consumer.close()
    found.sort()
    if not found:
        raise SystemExit("no command came")
    return {
        "p50": round(1000 * found[len(found) // 2], 1),
        "p99": round(1000 * found[len(found) * 99 // 100], 1),
        "events_per_s": round(rate),
        "commands": len(found),
    }


def until_assigned(consumer: Consumer) -> None:
    """Wait for the partitions."""
    deadline = time.monotonic() + 30
    while not consumer.assignment():
        consumer.poll(0.1)
        if time.monotonic() > deadline:
            raise SystemExit("the group of the reader doesn't come together")
