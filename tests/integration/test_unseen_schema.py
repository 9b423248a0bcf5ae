"""Schemas that a running worker has never seen: one that nobody knows, one that comes while the registry is away."""

import copy
import time
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from confluent_kafka import Producer

from infra.local import ports
from schemas.codec import Codec
from schemas.declarations import avro_schemas
from schemas.registry import Registry
from streams.engine.events import Event
from streams.kafka import producer_config
from streams.settings import Settings
from tests.own_broker import Proxy
from tests.stream_support import read_topic
from tests.support import Command

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
SUBJECT = "rekindle.events.SiteVisited"
HEAD_BYTES = 5  # of the wire format: a zero and the schema's id
NOBODYS = b"\0" + (2**31 - 1).to_bytes(4, "big") + b"anything"


@pytest.mark.timeout(180)
def test_a_record_without_a_schema_is_put_aside_and_one_whose_schema_cannot_be_asked_for_waits(
    settings: Settings, process: Callable[..., Command]
) -> None:
    registry = Registry.from_settings(settings)
    codec = Codec(registry)
    producer = Producer(producer_config(settings))

    def publish(*values: bytes) -> None:
        for value in values:
            producer.produce("web.behaviour", value, partition=0)
        assert producer.flush(30) == 0

    def logged() -> set[bytes]:
        return {record.value for records in read_topic(settings, "member.events").values() for record in records}

    def put_aside() -> list[tuple[bytes | None, str]]:
        values = [record.value for records in read_topic(settings, "dead.letters").values() for record in records]
        return [(letter.value, letter.reason) for letter in codec.decode_dead_letters(values)]

    known = [codec.encode(_visit(name)) for name in ("before", "after", "later")]
    address = urlsplit(settings.schema_registry_url)
    with Proxy(*ports.choose(1)).running(address.port or 0) as proxy:
        way = f"http://{ports.HOST}:{proxy.port}{address.path}"
        worker = process("worker", "--only", "ingest", env={"REKINDLE_SCHEMA_REGISTRY_URL": way})
        worker.until(lambda: "ingest has partitions" in worker.output, 60, "its partitions")
        publish(known[0], NOBODYS, known[1])
        worker.until(lambda: set(known[:2]) <= logged(), 30, "the others in the log")
        expected = [(NOBODYS, f"schema id {2**31 - 1} is unknown to the registry")]
        assert put_aside() == expected

        proxy.refuse(on=True)
        newer = copy.deepcopy(dict(avro_schemas()[SUBJECT]))
        newer["fields"].append({"name": "newer", "type": ["null", "string"], "default": None})
        number = registry.register(f"{SUBJECT}-{uuid.uuid4().hex}", newer)
        unseen = b"\0" + number.to_bytes(4, "big") + codec.encode(_visit("unseen"))[HEAD_BYTES:] + b"\0"
        publish(unseen, known[2])
        worker.until(lambda: f"schema id {number} is waited for" in worker.output, 30, "the question")
        assert not {unseen, known[2]} & logged()
        proxy.refuse(on=False)
        worker.until(lambda: {unseen, known[2]} <= logged(), 30, "the record that waited")
        assert put_aside() == expected
        assert worker.terminate(10) == 0, worker.output


def _visit(name: str) -> Event:
    return Event(
        event_id=name,
        type="site_visited",
        occurred_at=time.time_ns() // 1_000_000,
        source="web",
        key=name,
        member_id=name,
        body={"url": "https://example.com/"},
    )
