from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.conditions import parse
from streams.engine.conditions.operators import OPERATORS
from streams.segments.sql import Asking, CannotAskError, compile_audience, compile_condition, literals
from streams.segments.sql.grids import WHOLE, Fixed
from tests.simulation.support import directory

AT = 1_600_000_000_000
PROGRAMME = directory(
    {
        "counters.yaml": "counters: {buys: {event: purchase_completed, aggregate: count, window: P30D}}",
        "segments/a.yaml": "id: gold\nwhere: {member.status: gold}",
        "segments/b.yaml": "id: best\nwhere: {segment: gold, not: {segment: gold-too}}",
        "segments/c.yaml": "id: gold-too\nwhere: {segment: gold}",
    },
    c="trigger: {event: purchase_completed}\nactions: [{send: {channel: sms, template: a}}]",
)


def sql(data, *, audience=False):
    return (compile_audience if audience else compile_condition)(parse(data), Asking(PROGRAMME, AT))


def test_a_condition_reads_as_what_it_says():
    assert sql({"member.city": "Riga"}).select("member_id") == (
        "SELECT member_id\nFROM profiles FINAL\nWHERE ifNull(city = 'Riga', 0)"
    )


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_what_is_missing_is_false_at_once_and_true_under_a_not(operator):
    operand = {"in": ["a"], "not_in": ["a"], "between": ["a", "b"], "exists": True}.get(operator, "a")
    assert sql({"total": {operator: operand}}).sql == "0"
    assert sql({"not": {"total": {operator: operand}}}).sql == "1"


def test_a_segment_is_written_once_however_often_it_is_asked_for():
    found = sql({"all": [{"segment": "best"}, {"segment": "gold"}, {"segment": "best"}]})
    assert list(found.expressions) == ["in_gold_0", "in_gold_too_1", "in_best_2"]
    assert sum(text.count("status = 'gold'") for text in found.expressions.values()) == 1
    assert found.select("1").startswith("WITH\n    toBool(if(mapContains(segments_assigned, 'gold')")


def test_what_is_reckoned_is_written_once_and_named():
    found = sql({"counter.buys": {"gt": 1}, "any": [{"counter.buys": 9}, {"member.age": {"ref": "counter.buys"}}]})
    assert [*found.expressions] == ["counter_buys_0", "member_age_1"]
    assert found.sql.startswith("(counter_buys_0 > toDecimal128('1.000000', 6) AND ")


def test_thousands_of_texts_stand_in_one_list():
    names = [f"c{number}" for number in range(5000)]
    found = sql({"member.city": {"not_in": names}}).sql
    assert found.count("ifNull(") == 2
    assert all(f"'{name}'" in found for name in names)


def test_everyone_needs_no_look():
    assert sql({"segment": "everyone"}).sql == "1"


@pytest.mark.parametrize(
    ("data", "expected", "left_open"),
    [
        ({"total": {"ge": 10}}, "1", {"total"}),
        ({"not": {"total": {"ge": 10}}}, "1", {"total"}),
        ({"not": {"not": {"lines": {"some": {"sku": "a"}}}}}, "1", {"lines"}),
        ({"member.city": {"ref": "entry.city"}}, "1", {"entry.city"}),
        ({"any": [{"total": 5}, {"member.city": "Riga"}]}, "1", {"total"}),
        ({"total": 5, "member.city": "Riga"}, "ifNull(city = 'Riga', 0)", {"total"}),
        ({"not": {"total": 5, "member.city": "Riga"}}, "1", {"total"}),
        ({"not": {"any": [{"total": 5}, {"member.city": "Riga"}]}}, "NOT (ifNull(city = 'Riga', 0))", {"total"}),
        ({"member.city": "Riga"}, "ifNull(city = 'Riga', 0)", set()),
    ],
)
def test_an_audience_leaves_open_what_the_event_will_say(data, expected, left_open):
    found = sql(data, audience=True)
    assert (found.sql, found.left_open) == (expected, left_open)


@pytest.mark.parametrize(
    "text", ["'", "\\", "\\'; DROP TABLE profiles --", "{a:String}", "\0\n\t\x7f", "%s %(a)s", "日本"]
)
def test_a_text_ends_where_it_ends(text):
    quoted = literals.text(text)
    inside = quoted[1:-1]
    assert quoted[0] == quoted[-1] == "'"
    assert "'" not in inside.replace("\\\\", "").replace("\\'", "")
    assert "{" not in inside
    assert inside.isprintable()
    assert inside.encode().decode("unicode_escape").encode("latin-1").decode() == text


def test_half_a_pair_of_surrogates_is_in_no_members_text():
    assert literals.text("a\ud800") == "'a?'"


def test_a_time_compared_with_a_text_is_refused_and_named():
    with pytest.raises(CannotAskError, match=r"`member\.registered_at` is compared with `member\.city`"):
        sql({"member.registered_at": {"gt": {"ref": "member.city"}}})


numbers = st.decimals(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70).map(Decimal)
COMPARE = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


@given(st.sampled_from(sorted(COMPARE)), st.integers(-(2**63), 2**63 - 1), numbers, st.integers(-3, 3))
def test_a_whole_number_compares_with_any_as_it_is(sign, value, number, beside):
    for operand in (number, Decimal(value) + Decimal(beside) / 2):
        assert holds(WHOLE.compared("x", sign, operand), value) == COMPARE[sign](value, operand)


@given(st.sampled_from(sorted(COMPARE)), st.integers(-(10**38) + 1, 10**38 - 1), numbers, st.integers(-3, 3))
def test_a_decimal_compares_with_any_as_it_is(sign, unscaled, number, beside):
    value = Decimal(f"{unscaled}e-6")
    for operand in (number, Decimal(f"{unscaled * 10 + 5 * beside}e-7")):
        assert holds(Fixed(38, 6).compared("x", sign, operand), value) == COMPARE[sign](value, operand)


def holds(test, value):
    """What the database would answer."""
    if test is None:
        return False
    if test == "x IS NOT NULL":
        return True
    _, sign, literal = test.split(" ", 2)
    limit = Decimal(literal.removeprefix("toDecimal128('").removeprefix("toInt64(").split("'")[0].rstrip(")"))
    return COMPARE[sign](value, limit)
