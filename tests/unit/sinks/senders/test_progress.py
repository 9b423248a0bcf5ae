"""The position is the first offset that is not finished, whatever the order in which they finish."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.senders.progress import Progress


def test_a_new_one_stands_where_it_was_put():
    assert Progress(7).position == 7


def test_stays_at_the_first_unfinished():
    progress = Progress(0)
    for offset in (0, 2, 5):
        progress.begin(offset)
    progress.finish(2)
    assert (progress.position, progress.begun) == (0, 6)
    progress.finish(0)
    assert (progress.position, progress.begun) == (5, 1)
    progress.finish(5)
    assert (progress.position, progress.begun) == (6, 0)


@given(st.data())
def test_position_after_tells_what_finishing_does(data):
    offsets = sorted(data.draw(st.sets(st.integers(0, 30), min_size=1)))
    progress = Progress(0)
    for offset in offsets:
        progress.begin(offset)
    order = data.draw(st.permutations(offsets))
    for cut in range(len(order)):
        expected = min(set(order[cut + 1 :]), default=offsets[-1] + 1)
        assert progress.position_after({order[cut]}) == expected
        progress.finish(order[cut])
        assert progress.position == expected
