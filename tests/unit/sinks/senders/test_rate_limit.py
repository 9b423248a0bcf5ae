"""The token bucket never grants more than its rate, and doesn't waste it either."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.senders.rate_limit import TokenBucket


def test_no_limit_grants_everything():
    assert TokenBucket(0, 0.0).take(1_000_000, 0.0) == 1_000_000


def test_grants_its_rate_over_time():
    bucket = TokenBucket(10, 0.0)
    assert sum(bucket.take(100, at / 100) for at in range(1001)) == 101  # 10 s, and the one saved up


def test_saves_up_a_tenth_of_a_second_only():
    bucket = TokenBucket(50, 0.0)
    assert bucket.take(100, 3600.0) == 5


def test_repeated_attempts_are_paid_by_those_who_come_next():
    bucket = TokenBucket(10, 0.0)
    bucket.charge(5, 0.0)
    assert bucket.take(1, 0.3) == 0
    assert bucket.take(1, 0.51) == 1


def test_a_clock_that_stands_still_or_goes_back_grants_nothing_new():
    bucket = TokenBucket(1, 10.0)
    assert bucket.take(1, 10.0) == 1
    assert bucket.take(1, 9.0) == 0


@given(
    rate=st.integers(1, 1000),
    asks=st.lists(st.tuples(st.floats(0, 0.5), st.integers(1, 50)), max_size=60),
)
def test_never_more_than_the_rate_and_what_was_saved_up(rate, asks):
    bucket, now, granted = TokenBucket(rate, 0.0), 0.0, 0
    for wait, wanted in asks:
        now += wait
        granted += bucket.take(wanted, now)
        assert granted <= rate * now + max(1.0, rate * 0.1) + 1e-6
