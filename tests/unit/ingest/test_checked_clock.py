"""A clock that is wrong tells no time, and one that was only asleep does."""

import pytest
from prometheus_client import REGISTRY

from streams.clock import wall_clock
from streams.errors import RekindleError
from streams.ingest.checked_clock import ANSWER_SECONDS_MAX, COMPARE_EVERY_SECONDS, CheckedClock
from streams.kafka import Kafka
from streams.runtime.broker_time import BrokerTime
from streams.runtime.run_stage import clock_of
from streams.settings import Settings
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Network

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
TOLERANCE_SECONDS = 300


class Machine:
    """A machine with its two clocks, and the broker's. It is `streams.ingest.checked_clock.TimeSource`, too."""

    def __init__(self, wall: int = 0) -> None:
        """`wall`: how far its wall clock is ahead (ms)."""
        self.broker = NOW
        self.wall = NOW + wall
        self.monotonic = 7.0
        self.answers = True
        self.failure: str | None = None
        self.questions = 0
        self.sleeps_ms: list[int] = []  # how long it sleeps once a question is answered
        self._stamp: int | None = None
        self.clock = CheckedClock(self, TOLERANCE_SECONDS, wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.monotonic += seconds
        self.wall += round(seconds * 1000)
        self.broker += round(seconds * 1000)

    def sleeps(self, milliseconds: int) -> None:
        """Let it pass without the monotonic clock."""
        self.wall += milliseconds
        self.broker += milliseconds

    def ask(self) -> None:
        self.questions += 1
        self._stamp = self.broker

    def answer(self, seconds: float) -> int | None:
        if not self.answers:
            self.passes(seconds)
            return None
        if self.sleeps_ms:
            self.sleeps(self.sleeps_ms.pop(0))
        return self._stamp

    def runs(self, seconds: int, drift_ms: int = 0) -> None:
        """Read the clock four times a second; `drift_ms` is what it gains in a second."""
        for number in range(4 * seconds):
            self.passes(0.25)
            if number % 4 == 0:
                self.wall += drift_ms
            assert self.clock() == self.wall


def test_a_clock_that_agrees_tells_the_time_and_asks_now_and_then() -> None:
    machine = Machine()
    assert machine.clock() == NOW
    machine.runs(10 * round(COMPARE_EVERY_SECONDS))
    assert machine.questions == pytest.approx(10, abs=1)


@pytest.mark.parametrize("wrong", [YEAR_MS, -HOUR_MS])
def test_a_clock_that_is_wrong_at_the_start_ends_it_and_both_times_are_named(wrong: int) -> None:
    said = "2024-11-13T22:13:20Z" if wrong > 0 else "2023-11-14T21:13:20Z"
    with pytest.raises(RekindleError, match=rf"machine says {said}, the Kafka broker's 2023-11-14T22:13:20Z.* 300 s"):
        Machine(wall=wrong).clock()


@pytest.mark.parametrize("wrong", [YEAR_MS, -HOUR_MS])
def test_a_jump_is_seen_when_the_clock_is_next_read(wrong: int) -> None:
    machine = Machine()
    machine.runs(100)
    machine.passes(0.25)
    machine.wall += wrong
    with pytest.raises(RekindleError, match="no tick is written"):
        machine.clock()


def test_a_clock_that_drifts_away_is_noticed_and_shown_on_the_way() -> None:
    machine = Machine()
    machine.clock()
    machine.runs(20 * 60, drift_ms=100)
    assert REGISTRY.get_sample_value("rekindle_clock_offset_seconds") == pytest.approx(120, abs=5)
    with pytest.raises(RekindleError, match="no tick is written"):
        machine.runs(40 * 60, drift_ms=100)
    assert machine.wall - machine.broker == pytest.approx(TOLERANCE_SECONDS * 1000, abs=5_000)


def test_small_jumps_dont_add_up_unseen() -> None:
    machine = Machine()
    machine.clock()
    machine.wall += 200_000
    machine.runs(1)
    machine.wall += 200_000
    with pytest.raises(RekindleError, match="no tick is written"):
        machine.clock()


def test_a_machine_that_slept_asks_and_goes_on() -> None:
    machine = Machine()
    machine.runs(1)
    machine.sleeps(10 * HOUR_MS)
    assert machine.clock() == machine.wall
    machine.runs(1)
    assert machine.questions == 2


def test_a_machine_that_sleeps_while_it_asks_asks_again() -> None:
    machine = Machine()
    machine.runs(1)
    machine.wall += 10 * HOUR_MS  # slept, and is about to again
    machine.broker += 10 * HOUR_MS
    machine.sleeps_ms = [HOUR_MS, HOUR_MS]
    assert machine.clock() == machine.wall


def test_a_process_that_was_stopped_needs_no_answer() -> None:
    machine = Machine()
    machine.runs(1)
    machine.answers = False
    machine.passes(600)
    assert machine.clock() == machine.wall


def test_a_broker_that_is_silent_leaves_a_steady_clock_alone_but_not_one_that_jumps() -> None:
    machine = Machine()
    machine.clock()
    machine.answers = False
    machine.runs(5 * round(COMPARE_EVERY_SECONDS))
    machine.wall += YEAR_MS
    machine.failure = "Local: Timed out"
    with pytest.raises(RekindleError, match=r"doesn't say what time it is \(Local: Timed out\)"):
        machine.clock()


def test_a_broker_that_says_nothing_at_the_start_ends_it() -> None:
    machine = Machine()
    machine.answers = False
    with pytest.raises(RekindleError, match=r"doesn't say what time it is \(no answer\)"):
        machine.clock()
    assert machine.monotonic == pytest.approx(7 + ANSWER_SECONDS_MAX)


def test_only_by_the_wall_clock_and_with_a_tolerance_is_it_compared() -> None:
    def compares(**said: object) -> bool:
        settings = Settings(**said)  # type: ignore[arg-type]
        return clock_of(settings, Kafka(settings), "w") is not wall_clock

    assert compares(clock="wall")
    assert not compares(clock="event")
    assert not compares(clock="wall", clock_tolerance_seconds=0)


def source(log: Log) -> BrokerTime:
    return BrokerTime(MemoryKafka(Network(log, log.now)), "t-clock", 1, "worker")  # type: ignore[arg-type]


def test_the_broker_is_asked_through_a_topic_of_its_own() -> None:
    log = Log(Clock(NOW))
    first, second = source(log), source(log)
    for asking in (first, second):
        asking.ask()
        assert asking.answer(1.0) == NOW
    log.now.now_ms += 5  # type: ignore[attr-defined]
    first.ask()
    assert first.answer(0) == NOW + 5
    assert [(each.key, each.value) for each in log.topics["t-clock"][0].committed()] == [(b"worker", b"")] * 3


def test_a_topic_with_the_producers_time_is_refused() -> None:
    log = Log(Clock(NOW))
    log.create_topic("t-clock", 1)
    asking = source(log)
    asking.ask()
    with pytest.raises(RekindleError, match=r"set its message.timestamp.type to LogAppendTime"):
        asking.answer(1.0)


def test_a_topic_that_is_gone_gives_no_answer_and_says_so() -> None:
    log = Log(Clock(NOW))
    asking = source(log)
    asking.ask()
    assert asking.answer(1.0) == NOW
    del log.topics["t-clock"]
    asking.ask()
    assert asking.answer(1.0) is None
    assert asking.failure
