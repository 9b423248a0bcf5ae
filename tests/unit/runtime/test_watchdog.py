"""When a worker counts as stuck: lag and no progress, seen by a broker that answers, with nothing having slept."""

import os
import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from streams.runtime import watchdog as watchdog_module
from streams.runtime.bounded_waits import BoundedWaits
from streams.runtime.watchdog import PAUSE_SECONDS, Place, Positions, Progress, Seen, Watchdog
from streams.settings import Settings

INPUT = ("member.events", 0)
OTHER = ("member.events", 1)
ENDS = {INPUT: 12, OTHER: 99}
IDLE = float("inf")
"""When a stage rested last that has nothing to do now."""


def at(position: int, *, rested_at: float = IDLE, **others: int) -> Seen:
    """A stage that owns the input, and with `other` another."""
    positions = {INPUT: position, **({OTHER: others["other"]} if others else {})}
    return Seen(positions=positions, progress=positions, rested_at=rested_at)


def stalled(*looks: tuple[Seen, Positions | None], every: float = 2.0) -> list[float]:
    progress = Progress(0.0)
    return [progress.look(every * number, *look) for number, look in enumerate(looks, start=1)]


def test_lag_without_progress_adds_up() -> None:
    look = (at(10), ENDS)
    assert stalled(look, look, look, look) == [0.0, 2.0, 4.0, 6.0]


def test_progress_begins_anew() -> None:
    assert stalled((at(10), ENDS), (at(10), ENDS), (at(11), ENDS), (at(11), ENDS)) == [0.0, 2.0, 0.0, 2.0]


def test_a_partition_is_stuck_however_well_the_others_get_on() -> None:
    looks = [(at(10, other=number), ENDS) for number in range(4)]
    assert stalled(*looks) == [0.0, 2.0, 4.0, 6.0]


def test_a_partition_at_its_end_is_not_stuck_beside_one_that_gets_on() -> None:
    looks = [(at(12, other=number), ENDS) for number in range(4)]
    assert stalled(*looks) == [0.0, 0.0, 0.0, 0.0]


def test_a_partition_may_wait_for_its_turn_while_the_stage_is_busy_and_commits() -> None:
    progress = Progress(0.0)
    seen = [at(10, other=number, rested_at=1.0) for number in range(6)]
    commits = [1, 2, 3, 3, 3, 3]
    assert [
        progress.look(2.0 * number, each, ENDS, count)
        for number, (each, count) in enumerate(zip(seen, commits, strict=True), start=1)
    ] == [0.0, 0.0, 0.0, 2.0, 4.0, 6.0]


def test_commits_of_a_stage_that_rests_now_and_then_are_no_progress_of_a_partition_that_stands_still() -> None:
    progress = Progress(0.0)
    looks = [progress.look(2.0 * number, at(10, rested_at=2.0 * number - 1), ENDS, number) for number in range(1, 5)]
    assert looks == [0.0, 2.0, 4.0, 6.0]


def test_an_input_that_waits_for_others_gets_on_with_them() -> None:
    progress = Progress(0.0)
    seen = [Seen(positions={INPUT: 10}, progress={INPUT: taken}, rested_at=IDLE) for taken in (1, 2, 3, 3)]
    assert [progress.look(2.0 * number, each, ENDS) for number, each in enumerate(seen, start=1)] == [0, 0, 0, 2]


def test_no_lag_is_no_stall() -> None:
    look = (at(12), ENDS)
    assert stalled(look, look, look) == [0.0, 0.0, 0.0]


def test_a_worker_without_partitions_is_not_stuck() -> None:
    look: tuple[Seen, Positions | None] = (Seen(), {})
    assert stalled(look, look, look) == [0.0, 0.0, 0.0]


def test_a_broker_that_does_not_answer_proves_nothing() -> None:
    look = (at(10), ENDS)
    assert stalled(look, look, (at(10), None), look, look) == [0.0, 2.0, 0.0, 0.0, 2.0]
    assert stalled(look, look, (at(10), {OTHER: 99}), look, look) == [0.0, 2.0, 0.0, 0.0, 2.0], "that one's doesn't"


def test_a_process_that_slept_is_given_its_time_again() -> None:
    look = (at(10), ENDS)
    assert stalled(look, look, look, every=PAUSE_SECONDS + 1) == [0.0, 0.0, 0.0]


def test_a_recovery_in_which_nothing_moves_adds_up_and_a_step_begins_anew() -> None:
    progress = Progress(0.0)
    looks = [(1, {}), (1, {}), (1, {}), (2, {}), (2, {}), (2, None), (2, {}), (2, {})]
    assert [
        progress.look(2.0 * number, Seen(restoring=True), ends, work)
        for number, (work, ends) in enumerate(looks, start=1)
    ] == [0.0, 2.0, 4.0, 0.0, 2.0, 0.0, 0.0, 2.0]


def test_a_wait_that_ends_by_itself_is_given_its_time() -> None:
    now = 0.0
    waits = BoundedWaits(lambda: now)
    progress = Progress(0.0)
    found = []
    with waits.at_most(60.0):
        for number in range(1, 41):
            now = 2.0 * number
            found.append(progress.look(now, Seen(restoring=True, waits=waits.is_on), {}))
    assert found[:29] == [0.0] * 29, "as long as it may last"
    assert found[30:34] == [4.0, 6.0, 8.0, 10.0], "one that lasts longer hangs"
    assert not waits.is_on


def test_a_look_that_takes_long_is_no_pause() -> None:
    """Thirty partitions on a slow broker may well take it a minute."""
    places = {("member.events", partition): 10 for partition in range(30)}
    seen = Seen(positions=places, progress=places, rested_at=IDLE)
    ends = dict.fromkeys(places, 12)
    progress = Progress(0.0)
    assert [progress.look(22.0 * number, seen, ends, took=20.0) for number in (1, 2, 3)] == [0.0, 22.0, 44.0]


def test_a_process_that_slept_within_a_look_is_given_its_time_again() -> None:
    look = (at(10), ENDS)
    progress = Progress(0.0)
    assert [
        progress.look(2.0, *look),
        progress.look(4.0, *look),
        progress.look(204.0, *look, took=198.0),
        progress.look(206.0, *look),
    ] == [0.0, 2.0, 0.0, 2.0]


class Answering:
    """A consumer whose broker answers: each input ends at 12, and has records where `records` says so."""

    records: frozenset[Place] = frozenset()

    def __init__(self, _config: object) -> None:
        self._assigned: list[Place] = []

    def list_topics(self, timeout: float) -> None:
        assert timeout > 0

    def get_watermark_offsets(self, place: SimpleNamespace, timeout: float) -> tuple[int, int]:
        assert timeout > 0
        return 0, ENDS[place.topic, place.partition]

    def assign(self, places: list[SimpleNamespace]) -> None:
        self._assigned = [(place.topic, place.partition) for place in places]

    def unassign(self) -> None:
        self._assigned = []

    def poll(self, timeout: float) -> SimpleNamespace | None:
        assert timeout > 0
        return SimpleNamespace(error=lambda: None) if self.records.intersection(self._assigned) else None

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Seen]], threading.Event]:
    """Starts a watchdog of members whose limit is a second; what it returns is set when it ends the process."""

    def start(look: Callable[[], Seen]) -> threading.Event:
        ended = threading.Event()

        def note(status: int) -> None:
            assert status == 1
            watchdog.close()
            ended.set()

        monkeypatch.setattr(os, "_exit", note)
        watchdog = Watchdog(Settings(watchdog_seconds=1), "members", look)
        watchdog.start()
        return ended

    monkeypatch.setattr(watchdog_module, "Consumer", Answering)
    monkeypatch.setattr(watchdog_module, "LOOK_EVERY_SECONDS", 0.05)
    return start


Watch = Callable[[Callable[[], Seen]], threading.Event]


def test_a_worker_that_hangs_while_it_restores_its_state_is_ended(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    assert watch(lambda: Seen(restoring=True)).wait(20)
    assert "members has partitions that aren't ready and has made no progress for 1 s; the process ends" in caplog.text


def test_a_partition_that_stands_still_ends_the_worker_and_is_named(
    watch: Watch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Answering, "records", {INPUT})
    passed = iter(range(100_000))
    assert watch(lambda: at(10, other=next(passed))).wait(20)
    assert "members has lag in member.events/0 and has made no progress for 1 s; the process ends" in caplog.text


def test_where_only_markers_stand_in_front_of_the_end_nothing_is_stuck(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    enough = threading.Event()

    def look() -> Seen:
        nonlocal looks
        looks += 1
        if looks > 60:  # three times the limit
            enough.set()
        return at(10)

    ended = watch(look)
    assert enough.wait(30)
    assert not ended.is_set()
    monkeypatch.setattr(Answering, "records", {INPUT})
    assert ended.wait(20)
