"""What may enter the log, and what is put aside with which reason."""

from dataclasses import dataclass

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.events import Event, ProgrammeApplied, Tick
from streams.ingest.partitions import partition_of
from streams.ingest.sift import PROGRAMME_RANK, Sift

NOW = 1_700_000_000_000
CODEC = Codec(CommittedSchemas())


@dataclass
class Record:
    value: bytes
    key: bytes | None = None
    offset: int = 0


def visit(occurred_at: int = NOW, **fields: str) -> Event:
    member = fields.pop("member_id", None)
    return Event(
        event_id="e", type="site_visited", occurred_at=occurred_at, source="web", key="", member_id=member, body=fields
    )


def record(item: Event | Tick | ProgrammeApplied, key: bytes | None = None) -> Record:
    return Record(CODEC.encode(item), key)


def test_the_event_says_whose_it_is_not_the_key_of_its_producer() -> None:
    sift = Sift(CODEC, None)
    records = [
        record(visit(member_id="m1"), b"whatever"),
        record(visit(visitor_id="v1"), None),
        record(visit(member_id="m2", visitor_id="v1")),
    ]
    assert [entry.facts.key for entry in sift.entries("web.behaviour", records)] == ["m1", "visitor:v1", "m2"]


def test_what_cannot_be_handled_gets_a_reason_and_the_rest_goes_on() -> None:
    sift = Sift(CODEC, lambda: NOW)
    records = [
        record(visit(NOW, member_id="m1")),
        Record(b"no Avro"),
        record(visit(NOW)),
        record(visit(NOW + 3_600_000, member_id="m1")),
        record(visit(NOW + 3_600_001, member_id="m1")),
        record(visit(NOW, member_id="\0programme")),
    ]
    entries = sift.entries("web.behaviour", records)
    assert [entry.reason is None for entry in entries] == [True, False, False, True, False, False]
    assert "wire format" in str(entries[1].reason)
    assert "nobody" in str(entries[2].reason)
    assert entries[4].reason == "its time is more than an hour ahead of the clock"
    assert entries[5].reason == "a site_visited whose member_id has a zero byte: expected a text without"
    assert entries[1].occurred_at == NOW, "it keeps its place in its input"


def test_by_the_event_clock_no_time_is_too_far_ahead() -> None:
    (entry,) = Sift(CODEC, None).entries("web.behaviour", [record(visit(NOW * 2, member_id="m1"))])
    assert entry.reason is None


def test_a_type_in_a_foreign_topic_is_put_aside() -> None:
    (entry,) = Sift(CODEC, None).entries("pos.receipts", [record(visit(member_id="m1"))])
    assert entry.reason is not None


def test_control_carries_ticks_and_programmes_only() -> None:
    records = [record(Tick(occurred_at=5, wall=True)), record(ProgrammeApplied(occurred_at=5, programme=2))]
    tick, programme = Sift(CODEC, None).entries("control", records)
    assert (tick.control, programme.control) == (
        Tick(occurred_at=5, wall=True),
        ProgrammeApplied(occurred_at=5, programme=2),
    )
    assert programme.rank == PROGRAMME_RANK < tick.rank
    (event,) = Sift(CODEC, None).entries("control", [record(visit(member_id="m1"))])
    assert event.reason is not None


def test_partitions_are_those_of_the_java_clients() -> None:
    # murmur2 as Kafka's own tests have it: of "21" it is -973932308, of "foobar" -790332482
    assert partition_of(b"21", 1000) == (-973932308 & 0x7FFFFFFF) % 1000
    assert partition_of(b"foobar", 1000) == (-790332482 & 0x7FFFFFFF) % 1000
