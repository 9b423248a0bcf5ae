"""When a worker counts as stuck: lag and no progress, seen by a broker that answers, with nothing having slept."""

import os
import threading

import pytest

from streams.runtime import watchdog as watchdog_module
from streams.runtime.watchdog import PAUSE_SECONDS, Positions, Progress, Watchdog
from streams.settings import Settings

INPUT = ("member.events", 0)


def stalled(*looks: tuple[Positions, Positions | None], every: float = 2.0) -> list[float]:
    progress = Progress(0.0)
    return [progress.look(every * number, *look) for number, look in enumerate(looks, start=1)]


def test_lag_without_progress_adds_up() -> None:
    look = ({INPUT: 10}, {INPUT: 12})
    assert stalled(look, look, look, look) == [0.0, 2.0, 4.0, 6.0]


def test_progress_on_any_input_begins_anew() -> None:
    other = ("member.events", 1)
    assert stalled(
        ({INPUT: 10, other: 5}, {INPUT: 12, other: 9}),
        ({INPUT: 10, other: 5}, {INPUT: 12, other: 9}),
        ({INPUT: 10, other: 6}, {INPUT: 12, other: 9}),
        ({INPUT: 10, other: 6}, {INPUT: 12, other: 9}),
    ) == [0.0, 2.0, 0.0, 2.0]


def test_a_commit_is_progress() -> None:
    progress = Progress(0.0)
    look = ({INPUT: 10}, {INPUT: 12})
    assert [progress.look(2.0 * number, *look, commits) for number, commits in ((1, 5), (2, 5), (3, 6), (4, 6))] == [
        0.0,
        2.0,
        0.0,
        2.0,
    ]


def test_no_lag_is_no_stall() -> None:
    look = ({INPUT: 12}, {INPUT: 12})
    assert stalled(look, look, look) == [0.0, 0.0, 0.0]


def test_a_worker_without_partitions_is_not_stuck() -> None:
    look: tuple[Positions, Positions | None] = ({}, {})
    assert stalled(look, look, look) == [0.0, 0.0, 0.0]


def test_a_broker_that_does_not_answer_proves_nothing() -> None:
    look = ({INPUT: 10}, {INPUT: 12})
    assert stalled(look, look, ({INPUT: 10}, None), look, look) == [0.0, 2.0, 0.0, 2.0, 4.0]


def test_a_process_that_slept_is_given_its_time_again() -> None:
    look = ({INPUT: 10}, {INPUT: 12})
    assert stalled(look, look, look, every=PAUSE_SECONDS + 1) == [0.0, 0.0, 0.0]


def test_a_recovery_in_which_nothing_moves_adds_up_and_a_step_begins_anew() -> None:
    progress = Progress(0.0)
    looks = [(1, {}), (1, {}), (1, {}), (2, {}), (2, {}), (2, None), (2, {})]
    assert [
        progress.look(2.0 * number, {}, ends, work, restoring=True)
        for number, (work, ends) in enumerate(looks, start=1)
    ] == [0.0, 2.0, 4.0, 0.0, 2.0, 0.0, 2.0]


def test_a_look_that_takes_long_is_no_pause() -> None:
    """Thirty partitions on a slow broker may well take it a minute."""
    places = {("member.events", partition): 10 for partition in range(30)}
    ends = dict.fromkeys(places, 12)
    progress = Progress(0.0)
    assert [progress.look(22.0 * number, places, ends, took=20.0) for number in (1, 2, 3)] == [0.0, 22.0, 44.0]


def test_a_process_that_slept_within_a_look_is_given_its_time_again() -> None:
    look = ({INPUT: 10}, {INPUT: 12})
    progress = Progress(0.0)
    assert [
        progress.look(2.0, *look),
        progress.look(4.0, *look),
        progress.look(204.0, *look, took=198.0),
        progress.look(206.0, *look),
    ] == [0.0, 2.0, 0.0, 2.0]


def test_a_worker_that_hangs_while_it_restores_its_state_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    class Answering:
        """A consumer whose broker answers."""

        def __init__(self, _config: object) -> None:
            """Connect to nothing."""

        def list_topics(self, timeout: float) -> None:
            assert timeout > 0

        def close(self) -> None:
            """Do nothing."""

    def note(status: int) -> None:
        assert status == 1
        watchdog.close()
        ended.set()

    monkeypatch.setattr(watchdog_module, "Consumer", Answering)
    monkeypatch.setattr(watchdog_module, "LOOK_EVERY_SECONDS", 0.05)
    monkeypatch.setattr(os, "_exit", note)
    watchdog = Watchdog(Settings(watchdog_seconds=1), "members", dict, lambda: True)
    watchdog.start()
    assert ended.wait(20)
    assert "members has partitions that aren't ready and has made no progress for 1 s; the process ends" in caplog.text
