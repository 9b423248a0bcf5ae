"""When lists are due: at once if new or edited, then by their schedule; what was missed is made up once."""

from zoneinfo import ZoneInfo

import pytest

from schemas.values import parse_time
from streams.engine.values import Duration
from streams.segments.schedule import Schedule, daily, due_at, first_due

MOSCOW = ZoneInfo("Europe/Moscow")
HOURLY = Schedule("a", MOSCOW, every=Duration.parse("PT1H"))
MONTHLY = Schedule("a", MOSCOW, every=Duration.parse("P1M"))
NIGHTLY = Schedule("a", MOSCOW, cron=daily("03:00"))


@pytest.mark.parametrize(
    ("schedule", "evaluated", "due"),
    [
        (HOURLY, "2026-03-01T12:00:00Z", "2026-03-01T13:00:00Z"),
        (MONTHLY, "2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"),
        (NIGHTLY, "2026-03-01T12:00:00Z", "2026-03-02T00:00:00Z"),
        (NIGHTLY, "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"),
        (NIGHTLY, "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z"),
        (Schedule("a", ZoneInfo("Europe/Berlin"), cron="30 2 * * *"), "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z"),
    ],
)
def test_a_list_is_due_again_as_it_says(schedule, evaluated, due):
    assert due_at(schedule, parse_time(evaluated), "a") == parse_time(due)


def test_what_is_new_or_edited_is_due_at_once():
    assert due_at(HOURLY, None, None) == 0
    assert due_at(NIGHTLY, parse_time("2026-03-01T12:00:00Z"), "b") == 0


def test_the_longest_due_comes_first_and_what_is_to_come_not_at_all():
    assert first_due([(5, "a"), (3, "b"), (11, "c")], 10) == "b"
    assert first_due([(11, "c")], 10) is None
    assert first_due([], 10) is None
