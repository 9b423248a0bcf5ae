"""Lint never says of a condition that can hold that it can't: where it says so, no value passes."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.engine.conditions import parse
from streams.programme.checks.contradictions import contradictions

OPERANDS = st.sampled_from(
    [0, 1, 2, Decimal("1.5"), "a", "ab", "b", "2020-01-01", "2020-01-02T10:00", "2020", True, False]
)
VALUES: list[Any] = [
    *(None, 0, 1, 2, 3, Decimal("0.5"), Decimal("1.5"), -1, "", "a", "ab", "abc", "b", "c", "2020", True, False),
    *("2020-01-01", "2020-01-02", "2020-01-01T00:00:00Z", "2020-01-02T10:00", "2020-01-03", "a2020-01-01"),
    *(date(2020, 1, 1), date(2020, 1, 2), date(2019, 1, 1), datetime(2020, 1, 2, 10, tzinfo=UTC)),
    *(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 1, tzinfo=UTC), ["a"], [1, "ab"], []),
]


def one_name() -> st.SearchStrategy[Any]:
    """A value, or one to three operators."""
    listed = st.lists(OPERANDS, max_size=3)
    operators: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("eq", "ne", "gt", "ge", "lt", "le", "contains"), OPERANDS),
        **dict.fromkeys(("in", "not_in"), listed),
        "between": st.lists(OPERANDS, min_size=2, max_size=2),
        "exists": st.booleans(),
        "starts_with": st.sampled_from(["a", "ab", "b", "2020"]),
    }
    one = st.sampled_from(sorted(operators)).flatmap(lambda name: operators[name].map(lambda operand: {name: operand}))
    several = st.lists(one, min_size=1, max_size=3).map(lambda parts: {k: v for part in parts for k, v in part.items()})
    return st.one_of(OPERANDS, several)


CONDITIONS = st.recursive(
    st.builds(lambda test: {"x": test}, one_name()),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, max_size=3)),
        st.builds(lambda part, test: {"x": test, "not": part}, inner, one_name()),
    ),
    max_leaves=4,
)


class _View:
    def __init__(self, value: Any) -> None:
        self.body = {"x": value}

    def value(self, name: str) -> Any:
        return self.body.get(name)

    def in_segment(self, segment_id: str) -> bool:
        return segment_id == "everyone"


@given(CONDITIONS)
def test_what_is_said_to_never_hold_holds_for_no_value(source: dict[str, Any]) -> None:
    condition = parse(source)
    told = [path for path, _ in contradictions(condition.tree, {}) if "not" not in path[:-1]]
    holding = [value for value in VALUES if condition.holds(_View(value))]
    assert not (told and holding), (told, holding)
