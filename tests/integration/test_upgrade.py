"""Today's worker takes over what earlier releases left: their log, their changelog, their programmes, their links.

What it puts out from there on, and every member's state at the end, are those of a worker of today that handled the
whole log itself. A worker that meets a state of a later release ends with a line that says so, and has changed nothing.
"""

import base64
import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.registry import Registry
from streams.kafka import Kafka, client_config, producer_config
from streams.members.engine import RealEngine
from streams.members.record import DUE_BYTES, PROGRESS, RESERVED, state_of
from streams.settings import Settings
from streams.topics import COPARTITIONED, MEMBER_EVENTS, identity_changelog, ingest_group, members_changelog
from tests.stream_support import read_topic, records_waiting, without_ticks
from tests.support import ROOT, Command, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics")]
RECORDED = sorted((ROOT / "tests/upgrade").glob("state-*.json.gz"))
LINKS = sorted((ROOT / "tests/upgrade").glob("links-*.json.gz"))
OUTPUTS = ("send.sms", "send.email", "bonus.awards", "decisions", "attributions", "dead.letters")
CLOCK = {"REKINDLE_CLOCK": "event"}
Start = Callable[..., Command]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
@pytest.mark.timeout(300)
def test_what_an_earlier_release_left_is_taken_over(settings: Settings, process: Start, path: Path) -> None:
    recording = json.loads(gzip.decompress(path.read_bytes()))
    upgraded, calm = replace(settings, group_prefix="upgraded"), replace(settings, group_prefix="calm")
    _restore(upgraded, recording)
    _finish(upgraded, process)
    taken_over = {topic: read_topic(settings, topic) for topic in OUTPUTS}
    _finish(calm, process)
    for topic, partitions in taken_over.items():
        for partition, both in read_topic(settings, topic).items():
            own = [record.content for record in partitions[partition]]
            whole = [record.content for record in both[len(own) :]]
            assert own == whole[len(whole) - len(own) :], topic
    assert sum(map(len, taken_over["send.sms"].values())) > 20
    assert not any(taken_over["dead.letters"].values())
    assert _states(upgraded) == _states(calm)


@pytest.mark.parametrize("path", LINKS, ids=lambda path: path.name)
@pytest.mark.timeout(180)
def test_links_that_an_earlier_release_left_are_taken_over(settings: Settings, process: Start, path: Path) -> None:
    """Ingest goes on where it was: whose the rest is, and what becomes one, is as if it had handled all itself."""
    recording = json.loads(gzip.decompress(path.read_bytes()))
    upgraded, calm = replace(settings, group_prefix="upgraded"), replace(settings, group_prefix="calm")
    _restore_links(upgraded, recording)
    _finish(upgraded, process, "ingest")
    taken_over = read_topic(settings, MEMBER_EVENTS)
    _finish(calm, process, "ingest")
    for partition, both in read_topic(settings, MEMBER_EVENTS).items():
        rest = without_ticks(settings, taken_over[partition])
        whole = without_ticks(settings, both[len(taken_over[partition]) :])
        assert [each.content for each in rest] == [each.content for each in whole[len(whole) - len(rest) :]]
    assert sum(map(len, taken_over.values())) > 120
    assert not any(read_topic(settings, "dead.letters").values())


@pytest.mark.timeout(180)
def test_a_state_of_a_later_release_is_left_alone(settings: Settings, process: Start) -> None:
    recording = json.loads(gzip.decompress(RECORDED[-1].read_bytes()))
    upgraded = replace(settings, group_prefix="upgraded")
    _restore(upgraded, recording)
    before = {key: _later(value) for key, value in _latest(upgraded).items()}
    producer = Producer(producer_config(settings))
    for (partition, key), value in before.items():
        producer.produce(members_changelog(upgraded), value, key, partition=partition)
    assert producer.flush(10) == 0

    worker = _start(upgraded, process)
    until(lambda: worker.returncode is not None, 40, "its end")
    assert worker.returncode == 1
    assert "a later release" in worker.output
    assert _latest(upgraded) == before
    assert not any(any(read_topic(settings, topic).values()) for topic in OUTPUTS)


def _later(value: bytes) -> bytes:
    """A state in a form that no release so far has written."""
    return value[:DUE_BYTES] + b"\x7f" + value[DUE_BYTES:]


def _restore(settings: Settings, recording: Mapping[str, Any]) -> None:
    """Put a recording into the topics, as the release left them; schemas have the ids that the registry gives here."""
    changelog = members_changelog(settings)
    _create_changelog(settings, changelog, len(recording["handled"]))
    producer = Producer(producer_config(settings))
    _write(settings, producer, recording, {"rekindle-members-changelog": changelog})
    for partition, handled in recording["handled"].items():  # in this log the positions are others
        producer.produce(changelog, b"%d" % handled, PROGRESS, partition=int(partition))
    producer.flush(10)


def _restore_links(settings: Settings, recording: Mapping[str, Any]) -> None:
    """Put a recording of ingest into the topics, and how far it was into the offsets of its group."""
    changelog = identity_changelog(settings)
    _create_changelog(settings, changelog, 1)
    _write(settings, Producer(producer_config(settings)), recording, {"links": changelog})
    consumer = Kafka(settings).consumer(ingest_group(settings), {})
    consumer.commit(offsets=[TopicPartition(*each) for each in recording["handled"]], asynchronous=False)
    consumer.close()


def _create_changelog(settings: Settings, name: str, partitions: int) -> None:
    admin = AdminClient(client_config(settings))
    admin.create_topics([NewTopic(name, partitions, 1, config={"cleanup.policy": "compact"})])[name].result(10)


def _write(settings: Settings, producer: Producer, recording: Mapping[str, Any], changelogs: Mapping[str, str]) -> None:
    ids = _register(Registry.from_settings(settings), recording["schemas"])
    for topic, partitions in recording["topics"].items():
        for partition, records in partitions.items():
            for key, value, timestamp in records:
                data = None if value is None else base64.b64decode(value)
                if topic in COPARTITIONED:
                    data = data[:1] + ids[int.from_bytes(data[1:5], "big")].to_bytes(4, "big") + data[5:]
                where = {"key": key and base64.b64decode(key), "partition": int(partition), "timestamp": timestamp}
                producer.produce(changelogs.get(topic, topic), data, **where)
        producer.flush(10)


def _register(registry: Registry, schemas: Mapping[str, Any]) -> Mapping[int, int]:
    return {int(old): registry.register(f"{each['namespace']}.{each['name']}", each) for old, each in schemas.items()}


def _start(settings: Settings, process: Start, stage: str = "members") -> Command:
    own = {"REKINDLE_GROUP_PREFIX": settings.group_prefix, "REKINDLE_INSTANCE": settings.group_prefix}
    return process("worker", "--only", stage, env={**CLOCK, **own})


def _finish(settings: Settings, process: Start, stage: str = "members") -> None:
    worker = _start(settings, process, stage)
    worker.until(lambda: records_waiting(settings, stage) == 0, 60, "the end of its input")
    assert worker.terminate(10) == 0, worker.output


def _latest(settings: Settings) -> Mapping[tuple[int, bytes], bytes]:
    """The changelog's last record of each member, by partition and key."""
    return {
        (partition, record.key): record.value
        for partition, records in read_topic(settings, members_changelog(settings)).items()
        for record in records
        if record.key is not None and not record.key.startswith(RESERVED)
    }


def _states(settings: Settings) -> Mapping[bytes, bytes]:
    """Every member's state as this release writes it."""
    engine = RealEngine()
    return {key: engine.encode(engine.decode(state_of(value))) for (_, key), value in _latest(settings).items()}
