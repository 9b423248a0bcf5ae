"""Ticks: when one is due, and that time never goes back."""

from streams.engine.events import Tick
from streams.ticks import PartitionTicks

NOW = 1_700_000_000_000


def tick(at: int, *, wall: bool) -> Tick:
    return Tick(occurred_at=at, wall=wall)


def test_by_the_wall_clock_one_a_second() -> None:
    ticks = PartitionTicks(wall=True)
    first = ticks.due(NOW, caught_up=True)
    assert first == tick(NOW, wall=True)
    ticks.last = NOW
    assert ticks.due(NOW + 999, caught_up=True) is None
    assert ticks.due(NOW + 1000, caught_up=True) == tick(NOW + 1000, wall=True)
    assert ticks.due(NOW - 5000, caught_up=True) is None, "the clock was set back"


def test_while_catching_up_ticks_follow_the_events_so_that_nothing_fires_before_what_cancels_it() -> None:
    ticks = PartitionTicks(wall=True)
    assert ticks.due(NOW, caught_up=False) is None
    ticks.saw_event(NOW - 3_600_000)
    assert ticks.due(NOW, caught_up=False) == tick(NOW - 3_600_000, wall=True)
    ticks.saw_event(NOW + 60_000)
    assert ticks.due(NOW, caught_up=False) == tick(NOW, wall=True), "never ahead of the clock"


def test_by_the_event_clock_ticks_follow_the_greatest_time_seen() -> None:
    ticks = PartitionTicks(wall=False)
    assert ticks.due(NOW, caught_up=True) is None
    ticks.saw_event(500)
    ticks.saw_event(300)
    assert ticks.due(NOW, caught_up=True) == tick(500, wall=False)
    ticks.last = 500
    assert ticks.due(NOW, caught_up=True) is None, "no tick twice"


def test_a_tick_from_control_never_takes_time_back() -> None:
    ticks = PartitionTicks(wall=False, last=1000)
    assert not ticks.forwards(tick(999, wall=False))
    assert ticks.forwards(tick(2000, wall=False))
    ticks.saw_event(1500)
    assert ticks.due(NOW, caught_up=True) is None
