"""The quick way through a text says what python-liquid says, or gives up."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.engine.liquid_text import LiquidText, TemplateError

SOURCES = (
    "plain",
    "{{ a }}",
    "{{ a.b }} and {{ a.b.c }}",
    "{{ a[0].b }}{{ a[-1] }}{{ a['b'] }}",
    "{{ a.size }} {{ a.first }} {{ a.last }}",
    "{{ a | default: 'you & <me>' }} {{ a.b | default: 5 }} {{ a.b | default: b }} {{ b | default: a.b }}",
    "{{ a | default: 'x', allow_false: true }}",
    "{{ a | join: ', ' }}",
    "{{ a | upcase }} {{ a | plus: 1 }} {{ a | default: 'x' | upcase }}",
    "{% for line in a %}- {{ line.b | default: line.c }}, {{ line }} {{ b }}\n{% endfor %}.",
    "{% for line in a %} {% endfor %}{% for line in b limit: 1 %}{{ line }}{% endfor %}",
    "{% for line in a %}{{ forloop.index }}{% else %}none{% endfor %}",
    "{% for a in a %}{% for b in a %}{{ b }}{% endfor %}{% endfor %}",
    "{% if a %}{{ a }}{% endif %}{% assign b = a %}{{ b }}",
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2),
    st.text(alphabet="ab <&'\"", max_size=5),
    st.just(date(2024, 2, 29)),
    st.just(datetime(2026, 1, 5, 10, tzinfo=UTC)),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
DATA = st.dictionaries(st.sampled_from("ab"), VALUES)


def said(text: LiquidText, data: dict[str, Any], *, quickly: bool) -> str | None:
    try:
        return text.render(data) if quickly else text.render_slowly(data)
    except TemplateError:
        return None


@given(source=st.sampled_from(SOURCES), html=st.booleans(), data=DATA)
def test_the_quick_way_says_the_same(source: str, html: bool, data: dict[str, Any]) -> None:
    text = LiquidText(source, html=html)
    assert said(text, data, quickly=True) == said(text, data, quickly=False)


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("Hi {{ a.b | default: 'friend' }}", {"a": {}}),
        ("{{ a.b }}: {% for line in b %}{{ line.c }} {% endfor %}", {"a": {"b": Decimal("12.50")}, "b": [{"c": 1}]}),
        ("{{ a.b[0].c }} {{ a.b[0].d | join: ', ' }}", {"a": {"b": ({"c": "x", "d": ("y", "z")},)}}),
    ],
)
def test_what_most_messages_consist_of_goes_the_quick_way(source: str, data: dict[str, Any]) -> None:
    text = LiquidText(source)
    assert text.render_quickly(data) is not None
    assert text.render_quickly(data) == text.render_slowly(data)


def test_what_is_missing_is_explained_by_the_long_way() -> None:
    text = LiquidText("Hi {{ member.first_name }}")
    assert text.render_quickly({"member": {}}) is None
    with pytest.raises(TemplateError, match="first_name"):
        text.render({"member": {}})
