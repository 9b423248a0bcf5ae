"""The stage over a log in memory: what it waits for, what it puts together, what it puts aside."""

import pytest

from streams.engine import state_bytes
from streams.engine.state import NOBODYS, new
from streams.errors import RekindleError
from streams.members.record import PROGRESS, pack
from streams.profiles import stage as stage_module
from streams.profiles.stage import LINGER_SECONDS, ProfilesStage
from streams.runtime.batch import Batch
from streams.runtime.group_metadata import encode_group_metadata
from streams.runtime.transactions import TransactionalProducer
from streams.settings import Settings
from streams.topics import COPARTITIONED, DEAD_LETTERS, MEMBER_PROFILES, members_changelog, profiles_group
from tests.pipeline.consumer import Membership
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.pipeline.process import Record
from tests.step_support import CODEC

PARTITIONS = 2
SETTINGS = Settings()
CHANGELOG = members_changelog(SETTINGS)


def state(key: str, at: int, *, erased: bool = False) -> bytes:
    found = new(key)
    found.clock = at
    if erased:
        found.programme = NOBODYS
    return pack(None, state_bytes.encode(found))


class Running:
    """The stage with its partitions; seconds pass as the test says."""

    def __init__(self, topics=(*COPARTITIONED, DEAD_LETTERS, MEMBER_PROFILES)) -> None:
        clock = Clock(1000)
        self.log = Log(clock)
        for topic in topics:
            self.log.create_topic(topic, PARTITIONS)
        network = Network(self.log, clock)
        kafka = MemoryKafka(network)
        producer = TransactionalProducer(kafka, "profiles", "test")  # type: ignore[arg-type]
        self.seconds = 0.0
        self.stage = ProfilesStage(
            SETTINGS, kafka, CODEC, producer, clock=clock, monotonic=lambda: self.seconds  # type: ignore[arg-type]
        )  # fmt: skip
        self.stage.start()
        group = profiles_group(SETTINGS)
        membership = Membership(self.log, network, group, self.stage.topics, {})
        while membership.generation is None:
            membership.step(lambda: None, lambda: None, lambda: None)
            network.wait(1)
        self.group = encode_group_metadata(group, membership.generation, membership.member_id or "", None)
        inputs = [(CHANGELOG, number) for number in range(PARTITIONS)]
        self.stage.open(dict.fromkeys(inputs))
        self.stage.read_from(dict.fromkeys(inputs, 0))

    def take(self, start: int, *pairs: tuple[bytes, bytes | None], partition: int = 0) -> None:
        records = [Record(CHANGELOG, partition, start + n, key, value, 7) for n, (key, value) in enumerate(pairs)]
        batch = Batch(CHANGELOG, partition, records, start, start + len(records), at_end=True)
        self.stage.handle([batch], self.group)

    def wait(self, seconds: float) -> None:
        self.seconds += seconds
        assert self.stage.idle(self.group) is False

    def profiles(self) -> list[tuple[bytes | None, int | None]]:
        """Whose profiles there are, and as of when; in the order of the log of each partition."""
        self.log.write_all_markers()
        records = [each for partition in self.log.topics[MEMBER_PROFILES] for each in partition.committed()]
        return [(each.key, each.timestamp if each.value else None) for each in records]

    def committed(self) -> dict[int, int]:
        self.log.write_all_markers()
        return {place[1]: offset for place, (offset, _) in self.log.group(profiles_group(SETTINGS)).offsets.items()}


def test_at_the_end_of_the_log_profiles_wait_for_later_ones_but_not_for_long():
    running = Running()
    running.take(0, (b"a", state("a", 10)), (b"b", state("b", 11)), (b"a", state("a", 12)))
    running.wait(LINGER_SECONDS / 2)
    running.take(3, (b"b", state("b", 13)))
    assert (running.profiles(), running.committed()) == ([], {})
    running.wait(LINGER_SECONDS / 2)
    assert sorted(running.profiles()) == [(b"a", 12), (b"b", 13)]
    assert running.committed() == {0: 4}
    running.wait(10 * LINGER_SECONDS)
    assert len(running.profiles()) == 2, "nothing new, nothing put out"


def test_so_much_waits_and_no_more(monkeypatch: pytest.MonkeyPatch):
    running = Running()
    monkeypatch.setattr(stage_module, "MEMBERS_MAX", 2)
    running.take(0, (b"a", state("a", 10)))
    assert running.profiles() == []
    running.take(0, (b"c", state("c", 10)), partition=1)
    assert len(running.profiles()) == 2
    assert running.committed() == {0: 1, 1: 1}
    monkeypatch.setattr(stage_module, "WAITING_BYTES_MAX", 10)
    running.take(1, (b"a", state("a", 20)))
    assert len(running.profiles()) == 3


def test_who_is_gone_is_a_tombstone_and_strangers_and_the_stages_own_records_are_passed_over():
    running = Running()
    running.take(
        0, (b"a", state("a", 10, erased=True)), (b"b", None), (b"visitor:v", state("visitor:v", 9)), (PROGRESS, b"7")
    )
    running.wait(LINGER_SECONDS)
    assert sorted(running.profiles()) == [(b"a", None), (b"b", None)]
    assert running.committed() == {0: 4}


def test_a_state_that_cannot_be_read_is_put_aside_and_the_others_go_on():
    running = Running()
    running.take(0, (b"a", b"no state at all"), (b"b", state("b", 10)), (b"c", pack(None, b"\x03" + b"x" * 950_000)))
    running.wait(LINGER_SECONDS)
    assert running.profiles() == [(b"b", 10)]
    values = [each.value for partition in running.log.topics[DEAD_LETTERS] for each in partition.committed()]
    letters = {letter.key: letter for letter in CODEC.decode_dead_letters(values)}
    assert letters[b"a"].value == b"no state at all"
    assert (letters[b"a"].topic, letters[b"a"].offset) == (CHANGELOG, 0)
    assert letters[b"c"].value is None, "a dead letter mustn't be too large itself"


def test_records_that_come_again_are_passed_over_and_missing_ones_are_noticed():
    running = Running()
    running.take(0, (b"a", state("a", 10)), (b"b", state("b", 10)))
    running.wait(LINGER_SECONDS)
    running.take(1, (b"b", state("b", 10)), (b"c", state("c", 10)))
    running.wait(LINGER_SECONDS)
    assert sorted(running.profiles()) == [(b"a", 10), (b"b", 10), (b"c", 10)]
    with pytest.raises(RekindleError, match="records 3 to 4 of rekindle-members-changelog/0 were never delivered"):
        running.take(5, (b"d", state("d", 10)))


def test_what_waits_is_forgotten_with_the_partitions():
    running = Running()
    running.take(0, (b"a", state("a", 10)))
    running.stage.read_from({(CHANGELOG, 0): 0})
    running.wait(LINGER_SECONDS)
    assert (running.profiles(), running.committed()) == ([], {})


def test_a_topic_that_is_missing_is_named_at_the_start():
    with pytest.raises(RekindleError, match=r"member\.profiles.*topics create"):
        Running(topics=(*COPARTITIONED, DEAD_LETTERS))
