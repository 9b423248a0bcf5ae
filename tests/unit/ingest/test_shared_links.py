"""The table that ingest tasks share, over a log in memory: what each sees, when, and after a restart."""

import random
from pathlib import Path

import pytest

from streams.engine.events import Event
from streams.errors import RekindleError
from streams.identity.identifiers import Naming
from streams.identity.identify import identify
from streams.identity.links import Known, Link, LinkTable
from streams.ingest import shared_links
from streams.ingest.shared_links import SharedLinks
from streams.members import recover
from streams.members.record import PARTITIONS
from streams.runtime.group_metadata import encode_group_metadata
from streams.runtime.transactions import TransactionalProducer
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network
from tests.pipeline.store import Disk

TOPIC = "links"
GROUP = encode_group_metadata("ingest", -1, "", None)


class Task:
    """An ingest task as far as its links go."""

    def __init__(self, log: Log, name: str) -> None:
        self.kafka = MemoryKafka(Network(log, log.now))
        self.disk = Disk()
        self.producer = TransactionalProducer(self.kafka, "ingest", name)  # type: ignore[arg-type]
        self.producer.start()
        self.start()

    def start(self) -> None:
        self.links = SharedLinks(self.kafka, TOPIC, Path("links"), self.disk.open)  # type: ignore[arg-type]
        self.links.recover(lambda: False)

    def take(self, *events: Event) -> list[str]:
        """Apply events in one transaction; whose they are."""
        self.links.follow()
        owners = []
        with self.producer.begin() as transaction:
            for each in events:
                found = identify(self.links, each, Naming("RU"))
                owners.append(found.key)
                if found.changes is not None:
                    self.links.take(found.changes)
            changes = self.links.changes()
            transaction.produce_changelog(TOPIC, changes, partition=0)
            offsets = transaction.commit([], GROUP)
        if changes:
            self.links.committed(offsets[0])
        return owners


def event(member: str | None, at: int = 1, kind: str = "site_visited", **body: str) -> Event:
    return Event(event_id="e", type=kind, occurred_at=at, source="s", key=member or "?", member_id=member, body=body)


@pytest.fixture
def log() -> Log:
    log = Log(Clock(0))
    log.create_topic(TOPIC, 1)
    return log


def test_a_task_sees_its_own_links_at_once_and_others_when_they_have_come(log: Log) -> None:
    one, other = Task(log, "one"), Task(log, "other")
    assert one.take(event("m", visitor_id="v"), event(None, visitor_id="v")) == ["m", "m"]
    assert other.links.link("visitor:v") is None
    assert other.take(event(None, visitor_id="v")) == ["m"]
    assert list(other.links.names("m")) == ["visitor:v"]


def test_what_was_not_committed_is_forgotten(log: Log) -> None:
    task = Task(log, "one")
    found = identify(task.links, event("m", visitor_id="v"), Naming("RU"))
    assert found.changes is not None
    task.links.take(found.changes)
    assert task.links.link("visitor:v") == Link("m", 1)
    task.links.recover(lambda: False)
    assert task.links.link("visitor:v") is None


def test_what_is_in_the_changelog_last_holds_for_all(log: Log) -> None:
    """Two tasks give the same name to two members at once: all come to see it alike, whoever recovers from where."""
    one, other = Task(log, "one"), Task(log, "other")
    one.links.follow()
    other.links.follow()
    tasks = []
    for task, member in ((one, "m1"), (other, "m2")):
        found = identify(task.links, event(member, visitor_id="v"), Naming("RU"))
        assert found.changes is not None
        task.links.take(found.changes)
        tasks.append(task)
    for task in tasks:
        with task.producer.begin() as transaction:
            transaction.produce_changelog(TOPIC, task.links.changes(), partition=0)
            offsets = transaction.commit([], GROUP)
        task.links.committed(offsets[0])
    log.topics[TOPIC][0].compact()
    fresh = Task(log, "fresh")
    for task in (one, other, fresh):
        task.links.follow()
        assert task.links.link("visitor:v") == Link("m2", 1)


def test_a_restart_goes_on_where_the_copy_was_and_a_lost_copy_is_read_anew(log: Log) -> None:
    task = Task(log, "one")
    task.take(event("m", card_number="c"), event("m", kind="member_erased", at=5), event("n", at=6, card_number="d"))
    task.links.follow()
    task.start()
    assert task.links.link("card:c") is None
    assert task.links.known("m").erased_at == 5
    task.disk = Disk()
    task.start()
    assert task.links.link("card:d") == Link("n", 6)
    assert list(task.links.names("n")) == ["card:d"]


def test_its_recovery_passes_a_fault_point_of_the_ingest(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = []
    monkeypatch.setattr(recover, "pass_point", lambda *point: passed.append(point))
    Task(log, "one")
    assert set(passed) == {("ingest", "recovering")}


def test_who_had_a_name_first_is_kept_and_what_earlier_versions_wrote_is_read(log: Log) -> None:
    task = Task(log, "one")
    task.take(event("m", card_number="c", visitor_id="v"), event("n", at=2, card_number="c"))
    task.links.follow()
    task.start()
    assert task.links.link("card:c") == Link("n", 2, "m")
    assert task.links.known("m") == Known(passed_on=("card:c",))
    assert task.links.link("visitor:v") == Link("m", 1), "as earlier versions write it"


def test_names_with_states_are_told(log: Log) -> None:
    task = Task(log, "one")
    assert not task.links.has_state("visitor:v")
    task.links.set_state("visitor:v", has=True)
    assert task.links.has_state("visitor:v")
    assert len(task.links.changes()) == 1
    task.links.set_state("visitor:v", has=True)
    task.links.set_state("visitor:v", has=False)
    assert not task.links.has_state("visitor:v")


def test_partitions_that_were_added_are_noticed_by_every_task(log: Log) -> None:
    one, other = Task(log, "one"), Task(log, "other")
    one.links.keep_partitions(4)
    one.take()
    log.write_all_markers()
    assert [each.key for each in log.topics[TOPIC][0].committed()].count(PARTITIONS) == 1
    other.start()
    other.links.keep_partitions(4)
    assert other.links.changes() == []
    for task in (one, other):
        task.start()
        with pytest.raises(RekindleError, match=r"has 8 partitions.* was written with 4"):
            task.links.keep_partitions(8)


def test_memory_holds_few_of_all_the_members_who_were_asked_for(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of members who are known by no more than their ids change no link, so nothing comes back by which."""
    monkeypatch.setattr(shared_links, "FOUND_MAX", 20)
    task, asked = Task(log, "one"), []
    store = task.links._open
    get = store.get
    monkeypatch.setattr(store, "get", lambda keys: asked.append(len(keys)) or get(keys))
    held = []
    for number in range(50):
        members = [f"m{number}-{each}" for each in range(15)]
        task.links.follow()
        task.links.prefetch([], members)
        assert [task.links.known(member) for member in members] == [None] * 15
        held.append(len(task.links._found))
    assert asked == [15] * 50, "once for a batch, and for nothing again"
    assert max(held) <= 20 + 15


def test_memory_holds_no_link_that_has_come_back_from_the_changelog(log: Log) -> None:
    task, held = Task(log, "one"), []
    for number in range(30):
        task.take(event(f"m{number}", visitor_id=f"v{number}"))
        held.append((len(task.links._committed), len(task.links._commits)))
    assert max(held) == (2, 1), "what this transaction changed, and nothing of those before"
    task.links.follow()
    assert (task.links._committed, list(task.links._commits), task.links.changes()) == ({}, [], [])
    assert task.links.link("visitor:v7") == Link("m7", 1)


def test_it_says_what_a_table_in_memory_says(log: Log) -> None:
    """Mergers, erasures, takeovers and more names than a member may have."""
    rng = random.Random(7)
    task, plain = Task(log, "one"), LinkTable()
    members = ["a", "b", "c"]
    for at in range(400):
        kind = rng.choices(["site_visited", "phone_bound", "members_merged", "member_erased"], (20, 5, 1, 1))[0]
        body = {"visitor_id": f"v{rng.randrange(5)}", "phone": f"+7900111223{rng.randrange(4)}"}
        if kind == "members_merged":
            body = {"from_id": rng.choice(members), "into_id": rng.choice(members)}
        each = event(rng.choice([*members, None]) if kind != "members_merged" else None, at, kind, **body)
        expected = identify(plain, each, Naming("RU"))
        if expected.changes is not None:
            plain.take(expected.changes)
        assert task.take(each) == [expected.key]
        for member in members:
            assert sorted(task.links.names(member)) == sorted(plain.names(member))
