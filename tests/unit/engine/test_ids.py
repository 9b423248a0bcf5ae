from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.ids import seen_key, share, share_below

PERCENTAGES = st.decimals(0, 100, allow_nan=False, places=4)


@given(st.text(), st.text(), PERCENTAGES)
def test_whose_share_is_below_is_asked_without_reckoning_it(beginning, member, percent):
    below = share_below(beginning, percent)
    assert (below is not None and below.holds(member)) == (share(f"{beginning}/{member}") < percent)


@given(st.text(), st.text())
def test_a_share_is_never_below_itself(beginning, member):
    own = share(f"{beginning}/{member}")
    below = share_below(beginning, own)
    assert below is None or not below.holds(member)


def test_nobody_is_below_nothing_and_everybody_below_the_whole():
    assert share_below("c", Decimal(0)) is None
    whole = share_below("c", Decimal(100))
    assert whole is not None
    assert all(whole.holds(f"m{number}") for number in range(100))


def test_what_is_remembered_of_an_event_depends_on_both_its_source_and_its_id():
    assert seen_key("pos", "1") == 2391629048723796032
    assert len({seen_key(source, number) for source in ("pos", "web", "") for number in ("1", "2", "")}) == 9
