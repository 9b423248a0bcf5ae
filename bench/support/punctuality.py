"""How late a timer fires by the wall clock: from when it is due until its command can be read.

Receipts are published at an even pace; each large one (one in ten) begins a journey that waits some seconds and then
sends a message, whose `at` is when the wait was over. The clock of the machine is the one that the workers tick by.
"""

import time

from confluent_kafka import Consumer

from bench.support.ground import Ground
from bench.support.latency import OUTPUT, SETTLE_S, TICK_S, until_assigned
from bench.support.receipts import Receipts
from streams.kafka import consumer_config

WAIT_S = 5
PROGRAMME = {
    "later.yaml": (
        "id: later\ntrigger: {event: purchase_completed, where: {total: {ge: 75}}}\nentry: {while_running: parallel}\n"
        f"actions: [{{wait: PT{WAIT_S}S}}, {{send: {{channel: sms, template: later, messaging_type: service}}}}]\n"
    ),
    "templates/t.yaml": 'templates: [{id: later, text: "Thank you, {{ member.first_name }}"}]',
}


def measure(ground: Ground, receipts: Receipts, rate: float, seconds: float) -> dict[str, float]:
    """Milliseconds from due to readable: of half, of all but one in a hundred, and the most."""
    own = {"auto.offset.reset": "latest"}
    consumer = Consumer({**consumer_config(ground.settings, "bench-punctuality"), **own})
    consumer.subscribe([OUTPUT])
    until_assigned(consumer)
    producer = ground.kafka.producer({"linger.ms": 1})
    source = receipts.now()
    found: list[float] = []
    began = time.time()
    published, stop = 0, began + SETTLE_S + seconds
    while (now := time.time()) < stop + SETTLE_S + WAIT_S:
        if now < stop:
            for _ in range(int((now - began) * rate) - published):
                record = next(source)
                producer.produce("pos.receipts", record.value, record.key, timestamp=record.at)
                published += 1
            producer.poll(0)
        came = [message.timestamp()[1] for message in consumer.consume(1000, TICK_S) if message.error() is None]
        if now - began > SETTLE_S + WAIT_S:
            found += [1000 * time.time() - due for due in came]
    consumer.close()
    found.sort()
    if not found:
        raise SystemExit("no timer fired")
    return {
        "p50": round(found[len(found) // 2]),
        "p99": round(found[len(found) * 99 // 100]),
        "max": round(found[-1]),
        "events_per_s": round(rate),
        "timers": len(found),
    }
