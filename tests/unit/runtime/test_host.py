"""A stage's process: what it notes on its disk, how it ends."""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streams.runtime import host as host_module
from streams.runtime.batch import Batch
from streams.runtime.group_offsets import GroupOffsets
from streams.runtime.host import Host
from streams.runtime.local_state import claim
from streams.settings import Settings


@pytest.fixture(autouse=True)
def no_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was ever committed, and nobody has to be asked for it."""
    monkeypatch.setattr(GroupOffsets, "committed", lambda _offsets, inputs: dict.fromkeys(inputs))


class Group(SimpleNamespace):
    """What the host asks Faust: which deal it is in, and what it was dealt."""

    def __init__(self) -> None:
        super().__init__(consumer_generation_id=1, consumer=self)

    def assignment(self) -> set[TP]:
        return {TP("member.events", 0), TP("member.events", 2)}


@pytest.mark.parametrize(("deals", "noted"), [(0, [0, 2]), (1, [])], ids=["recovered", "abandoned"])
def test_partitions_are_noted_once_their_state_is_there(tmp_path: Path, deals: int, noted: list[int]) -> None:
    group = Group()

    class Stage:
        name = "members"
        topics = ("member.events",)

        def recover(self, _partitions: Collection[int], _abandoned: Callable[[], bool]) -> None:
            group.consumer_generation_id += deals  # the group is dealt out anew meanwhile

    async def recover(stage: Any) -> None:
        settings = Settings(data_dir=tmp_path)
        local = claim(settings, "members")
        host = Host(settings, stage, "rekindle-members", local)
        await host._recover(group)
        host._thread.shutdown()
        host._offsets.close()
        assert local.partitions() == noted
        local.lock.close()

    asyncio.run(recover(Stage()))


def test_a_recovery_that_hangs_is_the_watchdogs_to_judge(tmp_path: Path) -> None:
    group = Group()
    seen: list[bool] = []

    class Stage:
        name = "members"
        topics = ("member.events",)

        def recover(self, _partitions: Collection[int], _abandoned: Callable[[], bool]) -> None:
            seen.append(host.is_restoring)

    async def recover() -> None:
        seen.append(host.is_restoring)
        await host._recover(group)
        seen.append(host.is_restoring)  # the positions are still to be sought
        host._tenure.generation = 1
        seen.append(host.is_restoring)
        await host._revoked(group)
        seen.append(host.is_restoring)
        async with host._lock:  # a batch in hand that doesn't end
            seen.append(host.is_restoring)

    stage: Any = Stage()
    local = claim(Settings(data_dir=tmp_path), "members")
    host = Host(Settings(data_dir=tmp_path), stage, "rekindle-members", local)
    asyncio.run(recover())
    host._thread.shutdown()
    host._offsets.close()
    local.lock.close()
    assert seen == [False, True, True, False, False, True]


def test_a_spare_worker_is_ready_once_it_was_dealt_nothing(tmp_path: Path) -> None:
    class Spare(Group):
        def assignment(self) -> set[TP]:
            return set()

    class Stage:
        name = "members"
        topics = ("member.events",)

        def recover(self, _partitions: Collection[int], _abandoned: Callable[[], bool]) -> None:
            assert not host.ready

    stage: Any = Stage()
    local = claim(Settings(data_dir=tmp_path), "members")
    host = Host(Settings(data_dir=tmp_path), stage, "rekindle-members", local)
    assert not host.ready
    asyncio.run(host._recover(Spare()))
    assert host.ready
    assert not host.is_restoring
    assert host._seen().positions == {}
    host._tenure.end()
    assert not host.ready
    host._thread.shutdown()
    host._offsets.close()
    local.lock.close()


class Idle:
    """A stage that does nothing."""

    name = "members"
    topics = ("member.events",)

    def start(self) -> None:
        """Do nothing."""

    def idle(self, _group: bytes) -> bool:
        return False

    def next_offsets(self) -> dict[tuple[str, int], int]:
        return {}

    def progress(self) -> dict[tuple[str, int], int]:
        return {}

    def held(self) -> Collection[tuple[str, int]]:
        return ()

    def close(self) -> None:
        """Do nothing."""


class Client(SimpleNamespace):
    """What the host needs of Faust, with one deal of the partitions."""

    def __init__(self) -> None:
        super().__init__(consumer_generation_id=1, crashed=False, should_stop=False, held=set(), ends=dict)

    async def start(self) -> None:
        """Do nothing."""

    async def stop(self) -> None:
        """Do nothing."""


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Instead of ending this process, `os._exit` notes the status; the time for ending is short."""
    noted = SimpleNamespace(statuses=[], come=threading.Event())

    def note(status: int) -> None:
        noted.statuses.append(status)
        noted.come.set()

    monkeypatch.setattr(os, "_exit", note)
    monkeypatch.setattr(host_module, "STOP_SECONDS_MAX", 0.2)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield noted
    for number, handler in handlers.items():
        signal.signal(number, handler)


def run(stage: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, client: Client | None = None) -> int:
    """Run a host to its end, without Kafka; it has its partitions from the start."""
    app = client or Client()
    monkeypatch.setattr(host_module, "consumer_of", lambda _app: app)
    monkeypatch.setattr(Host, "_build", lambda _host: app)
    monkeypatch.setattr(Host, "_group_metadata", lambda _host, _generation: b"")

    async def to_its_end() -> int:
        settings = Settings(data_dir=folder, watchdog_seconds=0)
        local = claim(settings, "members")
        host = Host(settings, stage, "rekindle-members", local)
        host._tenure.generation = 1
        try:
            return await asyncio.wait_for(host.run(), 20)
        finally:
            local.lock.close()

    return asyncio.run(to_its_end())


def test_a_stage_that_is_told_to_end_while_it_starts_ends_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    class Slow(Idle):
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            assert exits.come.wait(10), "it would have gone on for as long as the start takes"

    assert run(Slow(), tmp_path, monkeypatch) == 0
    assert exits.statuses == [0]
    assert "members ends at once" in caplog.text


def test_an_end_that_leaves_a_batch_undone_is_no_clean_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    class Stuck(Idle):
        def idle(self, _group: bytes) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            assert exits.come.wait(10), "the process would have stayed"
            return False

    run(Stuck(), tmp_path, monkeypatch)
    assert exits.statuses == [1]
    assert "members ends at once, not done after 0 s: what it had in hand isn't committed" in caplog.text


def test_what_is_in_hand_is_done_before_the_group_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(host_module, "STOP_SECONDS_MAX", 30)
    told, left = threading.Event(), threading.Event()

    class Busy(Idle):
        def idle(self, _group: bytes) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            assert not left.wait(0.3), "the group was left in the midst of a transaction"
            told.set()
            return False

    class Group(Client):
        async def stop(self) -> None:
            left.set()

    assert run(Busy(), tmp_path, monkeypatch, Group()) == 0
    assert told.is_set()
    assert left.is_set()
    assert exits.statuses == []
    assert "everything that was begun is committed" in caplog.text


def test_a_batch_that_fails_after_the_signal_is_not_said_to_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing(Idle):
        gives_way: Callable[[], bool]

        def idle(self, _group: bytes) -> bool:
            os.kill(os.getpid(), signal.SIGTERM)
            while not self.gives_way():
                exits.come.wait(0.01)
            raise OSError("the broker is gone")

    assert run(Failing(), tmp_path, monkeypatch) == 1
    assert "the broker is gone" in caplog.text


@pytest.mark.parametrize("task", ["idle", "handling"])
def test_a_task_that_dies_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exits: SimpleNamespace, caplog: pytest.LogCaptureFixture, task: str
) -> None:
    monkeypatch.setattr(host_module, "STOP_SECONDS_MAX", 30)

    def fail(*_arguments: Any) -> Any:
        raise AssertionError("no consumer")

    client = Client()
    if task == "idle":
        client.ends = fail
    else:
        monkeypatch.setattr(host_module.WaitingBatches, "take", fail)
    assert run(Idle(), tmp_path, monkeypatch, client) == 1
    assert "members ends: AssertionError: no consumer" in caplog.text
    assert exits.statuses == []


def test_a_stage_rests_when_no_batch_waits_and_nothing_is_in_hand(tmp_path: Path) -> None:
    local = claim(Settings(data_dir=tmp_path), "members")
    stage: Any = Idle()
    host = Host(Settings(data_dir=tmp_path), stage, "rekindle-members", local)
    rests: list[bool] = []

    def look() -> None:
        rests.append(host._seen().rested_at > host._rested_at)

    async def scenario() -> None:
        look()
        await host._waiting.put(1, Batch("member.events", 0, [], 0, 0, at_end=True))
        look()
        await host._waiting.take()
        look()
        async with host._lock:  # another has the stage
            call = asyncio.ensure_future(host._guarded(lambda _group: None, 1, 1))
            await asyncio.sleep(0)
            look()
            host._ended.set()
        await call
        look()

    asyncio.run(scenario())
    host._thread.shutdown()
    host._offsets.close()
    local.lock.close()
    assert rests == [True, False, True, False, True]
