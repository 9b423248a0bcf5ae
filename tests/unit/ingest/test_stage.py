"""What ingest writes into the log of what it is told, over the log in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from schemas import codec
from schemas.dead_letters import KEY_BYTES_MAX, VALUE_BYTES_MAX, DeadLetter
from streams.engine.events import Event, Tick
from streams.errors import RekindleError
from streams.ingest import stage as stage_module
from streams.ingest.stage import IngestStage
from streams.runtime.batch import Batch
from streams.runtime.group_metadata import encode_group_metadata
from streams.runtime.group_offsets import Committed, Note
from streams.runtime.transactions import PartitionsLostError, TransactionalProducer
from streams.settings import Settings
from streams.topics import CONTROL, COPARTITIONED, DEAD_LETTERS, INGEST_INPUTS, MEMBER_EVENTS, PROGRAMMES, SENT_ON
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.pipeline.partition import Partition, Stored
from tests.pipeline.process import Record
from tests.pipeline.store import MemoryStore
from tests.step_support import CODEC

NOW = 1_700_000_000_000
GROUP = encode_group_metadata("ingest", -1, "", None)


def visit(name: str, member: str, **body: str) -> Event:
    return Event(
        event_id=name, type="site_visited", occurred_at=NOW, source="web", key=member, member_id=member, body=body
    )


def written(**said: list[tuple[bytes | None, bytes]]) -> list[Stored]:
    """The log of one partition after its inputs had this to say (keys and values by topic, dots as underscores)."""
    return list(ingested(**said).topics[MEMBER_EVENTS][0].committed())


def started(log: Log, told: Callable[[], int] | None = None) -> IngestStage:
    """A process of its own, without local state; `told` is what its clock says, else the log's time."""
    clock = Clock(NOW)
    kafka = MemoryKafka(Network(log, clock))
    stage = IngestStage(
        Settings(clock="wall"),
        kafka,  # type: ignore[arg-type]
        CODEC,
        TransactionalProducer(kafka, "ingest", "test"),  # type: ignore[arg-type]
        directory=Path(),
        clock=told or clock,
        monotonic=lambda: clock() / 1000,
        open_store=MemoryStore,
    )
    stage.start()
    return stage


def reading(log: Log) -> IngestStage:
    """One that begins with empty topics of one partition."""
    for topic in (*COPARTITIONED, DEAD_LETTERS, PROGRAMMES):
        log.create_topic(topic, 1)
    stage = started(log)
    stage.recover([0], lambda: False)
    inputs = [(topic, 0) for topic in INGEST_INPUTS]
    stage.open(dict.fromkeys(inputs))
    stage.read_from(dict.fromkeys(inputs, 0))
    return stage


def ingested(**said: list[tuple[bytes | None, bytes]]) -> Log:
    """All topics after that."""
    log = Log(Clock(NOW))
    stage = reading(log)
    batches = []
    for topic in INGEST_INPUTS:
        pairs = said.get(topic.replace(".", "_"), [])
        records = [Record(topic, 0, offset, key, value, NOW) for offset, (key, value) in enumerate(pairs)]
        batches.append(Batch(topic, 0, records, 0, len(records), at_end=True))
    stage.handle(batches, GROUP)
    stage.close()
    log.write_all_markers()
    return log


def test_an_event_that_was_sent_on_is_marked_and_nothing_else_is() -> None:
    sent_on = CODEC.encode(visit("e1", "m1"))
    tick = CODEC.encode(Tick(occurred_at=NOW + 1, wall=False))
    own = CODEC.encode(visit("e2", "m2"))
    found = written(control=[(b"heir", sent_on), (None, tick)], web_behaviour=[(b"m2", own)])
    assert sorted((each.key or b"", each.value, list(each.headers)) for each in found) == [
        (b"", tick, []),
        (b"heir", sent_on, [(SENT_ON, b"")]),
        (b"m2", own, []),
    ]


def test_a_clock_that_tells_no_time_ends_the_start_and_later_leaves_no_tick_and_no_dead_letter() -> None:
    log = Log(Clock(NOW))
    for topic in (*COPARTITIONED, DEAD_LETTERS, PROGRAMMES):
        log.create_topic(topic, 1)
    tells = False

    def told() -> int:
        if not tells:
            raise RekindleError("the clocks disagree")
        return NOW

    with pytest.raises(RekindleError, match="disagree"):
        started(log, told)
    tells = True
    stage = started(log, told)
    stage.recover([0], lambda: False)
    inputs = [(topic, 0) for topic in INGEST_INPUTS]
    stage.open(dict.fromkeys(inputs))
    stage.read_from(dict.fromkeys(inputs, 0))
    stage.handle([Batch(topic, 0, [], 0, 0, at_end=True) for topic in INGEST_INPUTS], GROUP)
    tells = False
    record = Record("web.behaviour", 0, 0, b"m", CODEC.encode(visit("e", "m")), NOW)
    with pytest.raises(RekindleError, match="disagree"):
        stage.idle(GROUP)
    with pytest.raises(RekindleError, match="disagree"):
        stage.handle([Batch("web.behaviour", 0, [record], 0, 1, at_end=True)], GROUP)
    assert (log.topics[MEMBER_EVENTS][0].records, log.topics[DEAD_LETTERS][0].records) == ([], [])


def test_an_input_of_which_enough_waits_for_the_others_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, held = reading(Log(Clock(NOW))), []
    value = CODEC.encode(visit("e", "m"))
    monkeypatch.setattr(stage_module, "WAITING_BYTES_MAX", 3 * len(value))
    for number in range(3):
        record = Record("web.behaviour", 0, number, b"m", value, NOW)
        stage.handle([Batch("web.behaviour", 0, [record], number, number + 1, at_end=False)], GROUP)
        held.append([*stage.held()])
    assert held == [[], [], [("web.behaviour", 0)]]


def test_an_event_as_large_as_is_read_goes_into_the_log() -> None:
    room = codec.VALUE_BYTES_MAX - len(CODEC.encode(visit("e", "m", url="x" * 1_000_000)))
    large = CODEC.encode(visit("e", "m", url="x" * (1_000_000 + room)))
    assert len(large) == codec.VALUE_BYTES_MAX
    assert [each.value for each in written(web_behaviour=[(b"m", large)]) if each.key] == [large]


def test_a_record_too_large_to_be_read_is_put_aside_and_the_next_is_handled() -> None:
    own = CODEC.encode(visit("e", "m"))
    log = ingested(web_behaviour=[(b"k" * 500_000, b"x" * 7_000_000), (b"m", own)])
    assert [each.value for each in log.topics[MEMBER_EVENTS][0].committed() if each.key] == [own]
    (letter,) = log.topics[DEAD_LETTERS][0].committed()
    (said,) = CODEC.decode_dead_letters([letter.value])
    assert isinstance(said, DeadLetter)
    assert said.reason.startswith("a value of 7000000 bytes")
    assert said.value == b"x" * VALUE_BYTES_MAX
    assert letter.key == said.key == b"k" * KEY_BYTES_MAX


def test_a_partition_that_was_written_is_not_begun_anew_without_its_offsets() -> None:
    inputs = [(topic, 0) for topic in INGEST_INPUTS]
    log = ingested(web_behaviour=[(b"m", CODEC.encode(visit("e", "m")))])
    stage = started(log)
    stage.recover([0], lambda: False)
    with pytest.raises(
        RekindleError,
        match=r"member.events/0 was written up to 2023-11-14T22:13:20Z.* rekindle-ingest has no .* offset of control/0",
    ):
        stage.open(dict.fromkeys(inputs))
    kept = dict.fromkeys(inputs) | {(CONTROL, 0): Committed(0, Note())}
    assert stage.open(kept) == {place: 0 if place[0] == CONTROL else None for place in inputs}, "a source that is new"


def test_a_partition_that_nobody_has_written_is_begun_beside_one_that_was() -> None:
    log = ingested(web_behaviour=[(b"m", CODEC.encode(visit("e", "m")))])
    stage = started(log)
    stage.recover([0], lambda: False)
    inputs = [(topic, 1) for topic in INGEST_INPUTS]
    assert stage.open(dict.fromkeys(inputs)) == dict.fromkeys(inputs)


def test_what_was_begun_and_never_committed_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Network, "batch_records", 1)  # each is in the log before the transaction fails
    log = Log(Clock(NOW))
    for topic in (*COPARTITIONED, DEAD_LETTERS, PROGRAMMES):
        log.create_topic(topic, 1)
    inputs = [(topic, 0) for topic in INGEST_INPUTS]
    for _ in range(2):
        stage = started(log)
        stage.recover([0], lambda: False)
        stage.open(dict.fromkeys(inputs))
        stage.read_from(dict.fromkeys(inputs, 0))
        lost = encode_group_metadata("ingest", 7, "somebody", None)
        record = Record("web.behaviour", 0, 0, b"m", CODEC.encode(visit("e", "m")), NOW)
        with pytest.raises(PartitionsLostError):
            stage.handle(
                [Batch(*place, [record] * (place[0] == record.topic), 0, 1, at_end=True) for place in inputs], lost
            )
    assert log.topics[MEMBER_EVENTS][0].end > 0


def test_partitions_that_were_added_end_the_start_of_whoever_gets_only_those() -> None:
    """Nothing gets into the log under another partition than that of its state."""
    log = ingested(web_behaviour=[(b"m", CODEC.encode(visit("e", "m")))])
    started(log).recover([0], lambda: False)
    for topic in COPARTITIONED:
        log.topics[topic].append(Partition())
    with pytest.raises(RekindleError, match=r"has 2 partitions.* was written with 1: create all topics anew"):
        started(log).recover([1], lambda: False)
