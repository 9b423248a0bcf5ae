"""When a worker counts as stuck: lag and no progress, seen by a broker that answers, with nothing having slept."""

from streams.runtime.watchdog import PAUSE_SECONDS, Positions, Progress

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
