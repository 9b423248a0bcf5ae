"""Records in the pipeline's topics, and what became of them."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from confluent_kafka import Producer, TopicPartition

from schemas.codec import Codec
from schemas.registry import Registry
from streams.engine.commands import Award, Decision, Dispatch
from streams.engine.events import Event, StateMoved, Tick
from streams.kafka import READS_TO_END, Kafka, producer_config

START_MS = 1_500_000_000_000


def codec_of(settings):
    registry = Registry.from_settings(settings)
    registry.register_all()
    return Codec(registry)


def produce(settings, codec, topic, records: Iterable, *, partition=None, broken_every=0, headers=()):
    """Append records, keyed by member, moves by the key that goes. Every so many, one that cannot be read follows."""
    producer = Producer(producer_config(settings))
    where = {} if partition is None else {"partition": partition}
    for number, record in enumerate(records, 1):
        key = record.gone if isinstance(record, StateMoved) else getattr(record, "member_id", None) or "m0"
        at = record.occurred_at if isinstance(record, Event | StateMoved | Tick) else record.at
        producer.produce(topic, key=key, value=codec.encode(record), timestamp=at, headers=list(headers), **where)
        if broken_every and number % broken_every == 0:
            producer.produce(topic, key=key, value=b"\x00broken", timestamp=at, **where)
        producer.poll(0)
    assert producer.flush(30) == 0


def read_all(settings, topic):
    """Every committed record of a topic, (partition, offset, key, value)."""
    consumer = Kafka(settings).consumer("test-reader", READS_TO_END)
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        found, ended = [], set()
        while len(ended) < len(partitions):
            for message in consumer.consume(5000, 1.0):
                if message.error() is not None:
                    ended.add(message.partition())
                else:
                    found.append((message.partition(), message.offset(), message.key(), message.value()))
        return found
    finally:
        consumer.close()


def statuses(settings, codec):
    """The delivery statuses reported so far: (type, reason) by dispatch id, in order."""
    found = defaultdict(list)
    records = read_all(settings, "delivery.statuses")
    for event in codec.decode_log([value for *_, value in records], [key for _, _, key, _ in records]):
        found[event.body["dispatch_id"]].append((event.type, event.body.get("reason")))
    return dict(found)


def purchases(count, *, members=50, start=0):
    for number in range(start, start + count):
        yield Event(
            event_id=f"e{number}",
            type="purchase_completed",
            occurred_at=START_MS + number * 1000,
            source="till",
            key=f"m{number % members}",
            member_id=f"m{number % members}",
            body={
                "receipt_id": f"r{number}",
                "store_id": "s1",
                "pos_id": "p1",
                "total": Decimal(number) / 4,
                "discount": Decimal(0),
                "bonus_paid": Decimal(0),
                "lines": [
                    {"sku": f"k{line}", "category": "tea", "quantity": Decimal(1), "price": Decimal("0.25")}
                    for line in range(number % 3)
                ],
            },
        )


def ticks(count):
    return (Tick(occurred_at=START_MS + number, wall=False) for number in range(count))


def dispatches(count, *, channel="sms", to="+79161234567", members=20, start=0, **changes):
    for number in range(start, start + count):
        yield Dispatch(
            **{
                "at": START_MS + number * 1000,
                "dispatch_id": f"d{number:06}",
                "member_id": f"m{number % members}",
                "campaign": "come-back",
                "version": 1,
                "action": "actions[0]",
                "channel": channel,
                "to": to,
                "content": {"text": "We miss you", "subject": "Come back"},
                "messaging_type": "marketing",
                **changes,
            }
        )


def awards(count):
    for number in range(count):
        yield Award(
            at=START_MS + number,
            award_id=f"a{number}",
            member_id=f"m{number % 7}",
            campaign="birthday",
            version=1,
            action="actions[0]",
            amount=Decimal("12.5"),
            currency="points",
            expires_at=START_MS + 86_400_000,
        )


def decisions(count):
    for number in range(count):
        yield Decision(
            at=START_MS + number,
            member_id=f"m{number % 7}",
            campaign="birthday",
            version=1,
            action=None if number % 2 else "actions[0]",
            outcome="suppressed",
            reason="frequency_cap",
        )
