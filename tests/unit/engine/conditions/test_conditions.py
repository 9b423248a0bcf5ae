from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import ValidationError

from streams.engine.conditions import parse
from streams.engine.conditions.operators import OPERATORS


class Values:
    """A view of plain values."""

    def __init__(self, values: Mapping[str, Any] | None = None, segments: tuple[str, ...] = ()) -> None:
        self.values = values or {}
        self.segments = segments

    @property
    def body(self) -> Mapping[str, Any]:
        return self.values

    def value(self, name: str) -> Any:
        return self.values.get(name)

    def in_segment(self, segment_id: str) -> bool:
        return segment_id in self.segments


def holds(condition: Any, *, segments: tuple[str, ...] = (), **values: Any) -> bool:
    return parse(condition).holds(Values(values, segments))


VIEW = {
    "n": 5,
    "d": Decimal("12.50"),
    "s": "coffee",
    "t": True,
    "day": date(1980, 2, 29),
    "at": datetime(2026, 1, 5, 10, tzinfo=UTC),
    "null": None,
    "tags": ["a", "b"],
    "numeral": "5",
}


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"n": 5},
        {"n": Decimal("5.0")},
        {"n": {"eq": 5, "ne": 6, "gt": 4, "ge": 5, "lt": 6, "le": 5}},
        {"d": {"gt": 12, "lt": Decimal("12.51")}},
        {"n": {"in": [1, 5]}},
        {"n": {"not_in": [1, 2]}},
        {"n": {"not_in": []}},
        {"n": {"not_in": ["a", 6]}},
        {"n": {"between": [5, 6]}},
        {"s": "coffee"},
        {"s": {"contains": "off", "starts_with": "cof", "ne": "tea", "gt": "beer"}},
        {"s": {"in": ["tea", "coffee"]}},
        {"t": True},
        {"t": {"ne": False}},
        {"day": "1980-02-29"},
        {"day": {"lt": "1990-01-01", "ne": "1990-01-01"}},
        {"day": {"in": ["1980-02-29"]}},
        {"at": {"ge": "2026-01-05", "lt": "2026-01-05T10:00:01Z", "eq": "2026-01-05T13:00+03:00"}},
        {"at": {"between": ["2026-01-05", "2026-01-06"]}},
        {"day": {"le": "1980-02-29T00:00:00Z"}},
        {"null": {"exists": False}},
        {"gone": {"exists": False}},
        {"n": {"exists": True}},
        {"tags": {"contains": "b"}},
        {"not": {"gone": 5}},
        {"any": [{"n": 6}, {"s": "coffee"}]},
        {"all": [{"n": 5}, {"s": "coffee"}], "t": True},
        {"any": [{"n": 6}, {"n": 7}, {"n": 5}]},
        {"n": {"lt": {"ref": "d"}}},
        {"n": {"between": [1, {"ref": "d"}]}},
        {"n": {"in": [{"ref": "n"}]}},
    ],
)
def test_holds(condition: Any) -> None:
    assert holds(condition, **VIEW)


@pytest.mark.parametrize(
    "condition",
    [
        {"n": 6},
        {"n": {"ge": 5, "lt": 5}},
        {"any": []},
        {"any": [{"n": 6}, {"n": 7}]},
        {"all": [{"n": 5}, {"s": "tea"}]},
        {"not": {"n": 5}},
        {"n": {"exists": False}},
        {"gone": {"exists": True}},
        {"at": {"le": "2026-01-05"}},
        {"s": {"starts_with": "off"}},
        {"tags": {"contains": "c"}},
        {"n": {"not_in": [5, 6]}},
        {"n": {"in": []}},
        {"n": {"lt": {"ref": "gone"}}},
        {"n": {"not_in": {"ref": "n"}}},
        {"tags": "a"},
    ],
)
def test_does_not_hold(condition: Any) -> None:
    assert not holds(condition, **VIEW)


@pytest.mark.parametrize("name", ["gone", "null"])
@pytest.mark.parametrize("operator", sorted(set(OPERATORS) - {"exists"}))
def test_what_is_missing_or_null_makes_every_comparison_false(name: str, operator: str) -> None:
    operand = [1, 2] if operator in {"in", "not_in", "between"} else "a"
    assert not holds({name: {operator: operand}}, **VIEW)


@pytest.mark.parametrize(
    ("name", "operand"),
    [("n", "5"), ("numeral", 5), ("t", 1), ("n", True), ("s", 5), ("day", 5), ("s", True), ("day", "x")],
)
@pytest.mark.parametrize("operator", ["eq", "ne", "gt", "ge", "lt", "le", "in", "not_in", "between"])
def test_unlike_kinds_never_hold(name: str, operand: Any, operator: str) -> None:
    wrapped = [operand, operand] if operator in {"in", "not_in", "between"} else operand
    assert not holds({name: {operator: wrapped}}, **VIEW)


@pytest.mark.parametrize("operator", ["gt", "ge", "lt", "le"])
def test_true_and_false_have_no_order(operator: str) -> None:
    assert not holds({"t": {operator: True}}, **VIEW)


def test_strings_that_look_like_dates_compare_as_strings_with_strings() -> None:
    assert holds({"s": {"lt": "2026-01-05"}}, s="2025-12-31")
    assert not holds({"s": "2026-01-05"}, s="2026-01-05T00:00:00Z")


LINES = [{"category": "coffee", "price": Decimal("4.5")}, {"category": "bread", "price": 2}]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"lines": {"some": {"category": "coffee", "price": {"gt": 4}}}}, True),
        ({"lines": {"some": {"category": "coffee", "price": {"gt": 5}}}}, False),
        ({"lines": {"every": {"price": {"gt": 1}}}}, True),
        ({"lines": {"every": {"price": {"gt": 2}}}}, False),
        ({"lines": {"none": {"category": "tea"}}}, True),
        ({"lines": {"none": {"category": "bread"}}}, False),
        ({"lines": {"some": {"any": [{"category": "tea"}, {"price": {"lt": 3}}]}}}, True),
        ({"lines": {"some": {"sku": {"exists": False}}}}, True),
        ({"lines": {"some": {"category": {"ref": "entry.category"}}}}, True),
        ({"lines": {"some": {}, "none": {"category": "tea"}}}, True),
    ],
)
def test_records(condition: Any, expected: bool) -> None:
    assert parse(condition).holds(Values({"lines": LINES, "entry.category": "bread"})) is expected


@pytest.mark.parametrize(("quantifier", "expected"), [("some", False), ("every", True), ("none", True)])
def test_of_no_records(quantifier: str, expected: bool) -> None:
    condition = {"lines": {quantifier: {"price": 1}}}
    assert holds(condition, lines=[]) is expected
    assert not holds(condition)
    assert not holds(condition, lines="text")


def test_segments() -> None:
    assert holds({"segment": "gold"}, segments=("gold",))
    assert not holds({"segment": "gold"})
    own = parse({"segment": "gold"}, segment_is_field=True)
    assert own.holds(Values({"segment": "gold"}))
    assert not own.holds(Values({}, ("gold",)))


def test_names_are_those_that_a_view_may_be_asked_for() -> None:
    condition = parse(
        {
            "total": {"gt": {"ref": "entry.total"}},
            "any": [{"segment": "gold"}, {"not": {"member.age": {"ge": 18}}}],
            "lines": {"some": {"sku": {"ref": "entry.sku"}, "price": 5}},
        }
    )
    assert condition.names() == {"total", "entry.total", "segment:gold", "member.age", "lines", "entry.sku"}


@pytest.mark.parametrize(
    ("condition", "path", "message"),
    [
        ({"total": {"gte": 5}}, ("total", "gte"), "unknown operator .did you mean `g"),
        ({"total": [1, 2]}, ("total",), "in: "),
        ({"total": {}}, ("total",), "at least one operator"),
        ({"any": {"total": 5}}, ("any",), "a list of conditions"),
        ({"all": [{"not": 5}]}, ("all", 0, "not"), "expected a condition"),
        ([], (), "expected a condition"),
        ({"total": {"between": [1]}}, ("total", "between"), "a list of two"),
        ({"total": {"in": 5}}, ("total", "in"), "a list of values"),
        ({"total": {"exists": 1}}, ("total", "exists"), "true or false"),
        ({"total": {"starts_with": 1}}, ("total", "starts_with"), "a string"),
        ({"total": {"gt": {"reff": "x"}}}, ("total", "gt"), "`{ref: <name>}`"),
        ({"segment": 5}, ("segment",), "the id of a segment"),
        ({"gt": 5}, ("gt",), "must stand below a name"),
        (
            {"lines": {"some": {"any": [{"price": {"gtt": 1}}]}}},
            ("lines", "some", "any", 0, "price", "gtt"),
            "unknown operator",
        ),
    ],
)
def test_mistakes_name_their_place(condition: Any, path: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        parse(condition)
    assert [detail["loc"] for detail in caught.value.errors()] == [path]


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        parse({"a": {"x": 1, "y": 2}, "any": 3})
    assert len(caught.value.errors()) == 3


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.decimals(-2, 2, places=1), st.sampled_from(["", "a", "2026-01-01"])
)


@given(SCALARS, SCALARS)
def test_equal_and_unequal_exclude_each_other_and_cover_like_kinds(value: Any, operand: Any) -> None:
    equal, unequal = holds({"v": {"eq": operand}}, v=value), holds({"v": {"ne": operand}}, v=value)
    assert not (equal and unequal)
    assert holds({"v": {"in": [operand]}}, v=value) is equal
    assert holds({"v": {"not_in": [operand]}}, v=value) is unequal
    assert holds({"v": {"eq": {"ref": "o"}}}, v=value, o=operand) is equal


@given(SCALARS, SCALARS)
def test_orders_agree(value: Any, operand: Any) -> None:
    less, more = holds({"v": {"lt": operand}}, v=value), holds({"v": {"gt": operand}}, v=value)
    at_most, at_least = holds({"v": {"le": operand}}, v=value), holds({"v": {"ge": operand}}, v=value)
    assert not (less and more)
    assert (at_most and at_least) is (holds({"v": operand}, v=value) and not isinstance(value, bool))
    assert at_most is (less or (at_most and at_least))


@pytest.mark.parametrize(
    "text", ["x') or True or ('", '"""\nraise SystemExit\n"""', "k0", "__import__('os')", "{}", "%s"]
)
def test_nothing_that_is_written_in_a_condition_is_run(text: str) -> None:
    condition = parse({text: text, f"a.{text}": {"in": [text]}, "l": {"some": {text: {"ne": text}}}})
    values: dict[str, Any] = {text: text, f"a.{text}": text, "l": [{text: "other"}]}
    assert condition.holds(Values(values))
    assert not condition.holds(Values(values | {text: "other"}))
    assert not condition.holds(Values(values | {"l": [{text: text}, {}]}))


def test_a_long_and_deep_condition_can_be_tested() -> None:
    deep: dict[str, Any] = {"n": 5}
    for _ in range(8):
        deep = {"not": {"any": [deep, {"n": 6}]}}
    assert holds({"any": [*({"n": number} for number in range(-3000, 0)), deep]}, n=5)
