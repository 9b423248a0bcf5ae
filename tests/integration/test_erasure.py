"""A whole pipeline, a person in all of it, an erasure: afterwards the person is found nowhere, and nobody else is hurt.

What isn't sealed promises by its retention; here the broker is made to keep that promise at once (segments rolled,
records deleted, topics compacted), and then every topic, table and file is searched.
"""

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec, ResourceType

from infra.local import Services
from schemas.codec import Codec
from schemas.registry import Registry
from schemas.topics import declared_topics
from sinks.clickhouse.connect import connect
from streams import settings as settings_module
from streams.ingest.partitions import partition_of
from streams.kafka import partition_counts, producer_config
from streams.members.record import FENCE
from streams.members.store import PartitionStore
from streams.sealing.key_store import KeyStore
from streams.settings import Settings
from streams.topics import ERASURES, MEMBER_EVENTS, MEMBER_PROFILES, PROGRAMMES, identity_changelog, members_changelog
from tests.cleaner import CLEANED_SOON, busy_cleaner, configure
from tests.stream_support import read_topic, write_events
from tests.support import Command, run_rekindle, until

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database")]

UNTIL = "2018-06-30T00:00:00Z"
ANNA = "member-anna"
WORDS = {
    name: secrets.token_hex(14)
    for name in (
        "first_name",
        "last_name",
        "email",
        "address",
        "attribute",
        "section",
        "profile_id",
        "text",
        "answer",
        "card",
        "token",
        "unreadable",
    )
}
PHONE = f"+7916{secrets.randbelow(10**7):07}"
EVERYTHING = (*WORDS.values(), PHONE)

CAMPAIGN = """
id: hello
version: 1
name: Hello
status: live
trigger: {event: registration_completed}
actions:
  - send: {channel: email, template: mail, messaging_type: service}
  - send: {channel: sms, template: text, messaging_type: service}
  - webhook: {url: "https://example.com/hello", body: {name: "{{ member.last_name }}"}}
  - wait: P400D
  - send: {channel: sms, template: text, messaging_type: service}
"""
THANKS = """
id: thanks
version: 1
name: Thanks
status: live
trigger: {event: purchase_completed}
entry: {while_running: parallel}
actions:
  - wait: P3D
  - send: {channel: receipt, template: thanks}
"""
TEMPLATES = """
templates:
  - {id: thanks, text: "Thank you"}
  - {id: mail, subject: "Hello {{ member.first_name }}", text: "At {{ member.address }}?"}
  - {id: text, text: "Hello {{ member.first_name }} {{ member.last_name }}"}
"""


def of_anna() -> Iterator[dict[str, object]]:
    """Everything that a person leaves behind."""
    profile = {
        "first_name": WORDS["first_name"],
        "last_name": WORDS["last_name"],
        "phone": PHONE,
        "email": f"{WORDS['email']}@example.com",
        "address": WORDS["address"],
        "birth_date": "1990-05-05",
        "attributes": {"note": WORDS["attribute"]},
    }
    bodies = [
        ("registration_completed", profile),
        ("profile_updated", {"city": "Moscow", "address": WORDS["address"]}),
        ("phone_bound", {"phone": PHONE}),
        ("email_bound", {"email": f"{WORDS['email']}@example.com"}),
        ("application_form_completed", {"section": WORDS["section"]}),
        ("social_profile_linked", {"network": "vk", "profile_id": WORDS["profile_id"]}),
        ("app_installed", {"platform": "ios", "push_token": WORDS["token"]}),
        ("feedback_received", {"text": WORDS["text"]}),
        ("poll_answered", {"poll": "p", "question": "q", "answer": WORDS["answer"]}),
        ("purchase_completed", {"receipt_id": "r-anna", "total": 100, "card_number": WORDS["card"], "phone": PHONE}),
        ("site_visited", {"url": "https://example.com/"}),
    ]
    for number, (kind, body) in enumerate(bodies):
        yield {
            "event_id": f"anna-{number}",
            "type": kind,
            "occurred_at": f"2018-01-02T10:{number:02}:00Z",
            "source": "test",
            "member_id": ANNA,
            **body,
        }


class Run:
    """One pipeline, its commands, and what can be found where."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = {
            **environment,
            "REKINDLE_CLOCK": "event",
            "REKINDLE_MASTER_KEY": base64.b64encode(os.urandom(32)).decode(),
            "REKINDLE_SINK_ERASE_SECONDS": "1",
            "REKINDLE_SINK_LINGER_MS": "50",
        }
        self.settings: Settings = settings_module.load(self.environment)
        self.folder = folder

    def succeeds(self, *command: str | Path) -> str:
        done = run_rekindle(*command, env=self.environment, seconds=300)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def publish(self, name: str, events: list[dict[str, object]]) -> None:
        path = self.folder / name
        path.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")
        self.succeeds("publish", path)

    def handled(self) -> None:
        self.succeeds("status", "--wait", "240")

    def found(self, *texts: str) -> set[str]:
        """Name the topics and tables in which `rekindle erase --verify` finds one of the texts."""
        options = [part for text in texts for part in ("--find", text)]
        done = run_rekindle("erase", ANNA, "--verify", *options, env=self.environment, seconds=300)
        assert not done.stderr, done.stderr
        return {json.loads(line)["place"] for line in done.stdout.splitlines()}


def files_with(folder: Path, texts: tuple[str, ...]) -> set[str]:
    """Name the files in which one of the texts stands as it is, but for what the file gateway has sent."""
    wanted = [text.encode() for text in texts]
    found = set()
    for directory, _, names in os.walk(folder):  # passes over what is gone by the time that it comes there
        for path in (Path(directory) / name for name in names):
            if "outbox" not in path.parts and path.suffix not in {".jsonl", ".yaml"}:
                with contextlib.suppress(FileNotFoundError):
                    data = path.read_bytes()
                    found |= {str(path.relative_to(folder)) for text in wanted if text in data}
    return found


@pytest.mark.timeout(900)
def test_a_person_who_was_erased_is_found_nowhere_and_nobody_else_is_hurt(
    services: Services, environment: dict[str, str], process: Callable[..., Command], tmp_path: Path
) -> None:
    run = Run(environment, tmp_path)
    campaigns = tmp_path / "campaigns"
    campaigns.mkdir()
    (campaigns / "hello.yaml").write_text(CAMPAIGN, encoding="utf-8")
    (campaigns / "thanks.yaml").write_text(THANKS, encoding="utf-8")
    (campaigns / "templates").mkdir()
    (campaigns / "templates" / "all.yaml").write_text(TEMPLATES, encoding="utf-8")
    run.succeeds("campaigns", "apply", campaigns)
    run.succeeds("publish", write_events(tmp_path / "others.jsonl", 400, 25, seed=21))
    run.publish("anna.jsonl", list(of_anna()))
    _produce(run.settings, "members.registrations", ANNA.encode(), b"\0\0\0\0\0" + WORDS["unreadable"].encode())
    running = [process(*each, env=run.environment) for each in (("worker",), ("sink",), ("sender", "email"))]
    run.handled()

    everywhere = {
        *("send.email", "send.sms", "send.webhook", "members.registrations", "web.behaviour", "pos.receipts"),
        *("dead.letters", members_changelog(run.settings), MEMBER_PROFILES),
        *(f"clickhouse {table}, text" for table in ("events", "dispatches", "webhooks", "profiles", "dead_letters")),
    }
    # the sink's group may come into being after all else is handled, and then nobody has waited for it
    until(lambda: everywhere <= run.found(*EVERYTHING), 60, "her, everywhere")
    assert MEMBER_EVENTS not in run.found(*EVERYTHING)  # but in the log
    others = _events_of_others(run.settings)

    run.succeeds("erase", ANNA, "--at", "2018-02-01T00:00:00Z")
    run.handled()
    run.succeeds("tick", "--until", UNTIL)
    run.handled()
    until(lambda: not {each for each in run.found() if each != "clickhouse dead_letters"}, 120, "the erasure")
    for command in running:
        assert command.terminate(30) == 0, command.output

    again = process("worker", env=run.environment)  # by the event clock, its copy of the links follows when it works
    again.until(lambda: "ingest has partitions" in again.output, 60, "its copy of the links")
    assert again.terminate(30) == 0, again.output

    assert _events_of_others(run.settings) == others
    _others_are_as_simulated(run, campaigns)
    compacted = [identity_changelog(run.settings), members_changelog(run.settings), MEMBER_PROFILES]

    def left(look: Callable[[], set[str]]) -> set[str]:
        _close_segments(run.settings, compacted)
        return look()

    with busy_cleaner(run.settings) as admin:
        _keep_promises_now(run.settings, admin)
        _is_gone(lambda: left(lambda: run.found(*EVERYTHING)))
        _is_gone(lambda: left(lambda: files_with(services.directory, EVERYTHING) | files_with(tmp_path, EVERYTHING)))
    assert run.succeeds("erase", ANNA, "--verify") == ""


def _is_gone(look: Callable[[], set[str]]) -> None:
    left: set[str] = set()

    def is_gone() -> bool:
        nonlocal left
        left = look()
        return not left

    with contextlib.suppress(AssertionError):
        until(is_gone, 120)
    assert left == set()


def _others_are_as_simulated(run: Run, campaigns: Path) -> None:
    """The log that is left gives the live run's dispatches, ids included, for everybody else."""
    log = run.folder / "log.jsonl"
    run.succeeds("log", "--export", log)
    assert not any(text in log.read_text(encoding="utf-8") for text in EVERYTHING)
    lines = run.succeeds("simulate", campaigns, log, "--until", UNTIL, "--in-order").splitlines()
    simulated = [json.loads(line) for line in lines]
    expected = sorted(
        line["dispatch_id"] for line in simulated if line["kind"] == "dispatch" and line["member_id"] != ANNA
    )
    codec = Codec(Registry.from_settings(run.settings))
    values = [
        record.value
        for topic in ("send.email", "send.sms", "send.receipt")
        for records in read_topic(run.settings, topic).values()
        for record in records
    ]
    live = sorted(each.dispatch_id for each in codec.decode_commands(values) if each.member_id != ANNA)
    assert len(live) > 20
    assert live == expected


def _events_of_others(settings: Settings) -> int:
    with connect(settings.clickhouse_dsn) as client:
        return int(client.command(f"SELECT count() FROM events WHERE key != '{ANNA}'"))


def _produce(settings: Settings, topic: str, key: bytes, value: bytes) -> None:
    producer = Producer(producer_config(settings))
    partition = partition_of(key, partition_counts(settings)[topic])
    producer.produce(topic, value, key, partition=partition)
    assert producer.flush(30) == 0


def _close_segments(settings: Settings, topics: Collection[str]) -> None:
    """Have what stands in the topics closed: only that is cleaned. A tombstone goes with the second cleaning."""
    producer = Producer(producer_config(settings))
    counts = partition_counts(settings)
    for _ in range(2):
        for topic in topics:
            for number in range(counts[topic]):
                producer.produce(topic, b"", FENCE, partition=number)
        producer.flush(30)


def _keep_promises_now(settings: Settings, admin: AdminClient) -> None:
    """What retention, compaction and merges do in time, at once: on the broker, in the stores, in ClickHouse."""
    counts = {topic: count for topic, count in partition_counts(settings).items() if not topic.startswith("__")}
    compacted = {name for name, topic in declared_topics(settings).items() if topic.cleanup == "compact"}
    compacted |= {topic for topic in counts if topic.endswith("-ledger")}
    short = counts.keys() - compacted - {MEMBER_EVENTS, ERASURES}
    for topic in compacted - {PROGRAMMES}:
        configure(admin, ResourceType.TOPIC, topic, **CLEANED_SOON)
    for topic in short:
        configure(admin, ResourceType.TOPIC, topic, **{"segment.ms": "50"})
    places = [TopicPartition(topic, number) for topic in short for number in range(counts[topic])]
    ends = admin.list_offsets({each: OffsetSpec.latest() for each in places})
    before = [TopicPartition(each.topic, each.partition, end.result(30).offset) for each, end in ends.items()]
    _close_segments(settings, short)
    for deleted in admin.delete_records(before).values():
        deleted.result(30)
    for path in [*settings.data_dir.glob("*/members/state/*"), *settings.data_dir.glob("*/ingest/links")]:
        store = PartitionStore(path)
        store.compact()
        store.close()
    for path in settings.data_dir.glob("*/*/keys/*"):
        keys = KeyStore(path)
        keys.compact()
        keys.close()
    with connect(settings.clickhouse_dsn) as client:
        client.command("ALTER TABLE dead_letters DELETE WHERE 1 SETTINGS mutations_sync = 1")  # their 30 days are over
        for (name,) in client.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'"
        ).result_rows:
            client.command(f"ALTER TABLE {name} MODIFY SETTING old_parts_lifetime = 0")
