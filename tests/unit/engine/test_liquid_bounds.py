"""Templates that would take for ever, or all memory: each meets a bound, quickly."""

import time
from decimal import Decimal
from typing import Any

import pytest

from streams.engine import limits
from streams.engine.liquid_text import LiquidText, TemplateError, TemplateLimitError, within_bounds
from streams.engine.liquid_work import Work

LINES = [
    {"sku": str(number), "name": "Tea", "category": "c", "price": Decimal("1.5"), "quantity": Decimal(2)}
    for number in range(2500)
]
DATA: dict[str, Any] = {"event": {"lines": LINES, "text": "x" * 1000}}
THIRTY_TWO = "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"
MULTIPLIED = " | replace: 'a', " + THIRTY_TWO


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..9999) %}" + "{% if 1 == 1 %}{% endif %}" * 50 + "{% endfor %}",
        "{% for i in (1..9999) %}{% for l in event.lines %}{% endfor %}{% endfor %}",
        "{% assign r = (1..1000000000) %}{{ r | size }}",
        "{{ (1..100000000) | join: ',' | size }}",
        "{% assign x = 9999999999 %}{% for i in (1..40) %}{% assign x = x | times: x %}{% endfor %}{{ x | size }}",
        "{% assign x = 99999.5 %}{% for i in (1..40) %}{% assign x = x | times: x %}{% endfor %}{{ x | size }}",
        "{{ '1e999999' | ceil | size }}",
        "{{ '1e-999999' | plus: 1 }}",
        "{% assign s = 'aaaaaaaaaa' %}{% for i in (1..40) %}{% assign s = s | append: s %}{% endfor %}{{ s | size }}",
        "{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'" + MULTIPLIED * 8 + " | size }}",
        "{% for i in (1..9999) %}{% assign y = event.lines | map: 'sku' | sort | join %}{% endfor %}",
        "{% for i in (1..9999) %}{% assign y = event.lines | uniq | size %}{% endfor %}",
        "{% for i in (1..9999) %}{% if event.lines contains 'x' %}{% endif %}{% endfor %}",
        "{% for i in (1..9999) %}{{ event.text }}{% endfor %}",
        "{% for i in (1..99) %}{% capture x %}{{ x | default: 'a' }}{{ x | default: 'a' }}{% endcapture %}{% endfor %}",
    ],
)
def test_a_template_that_is_too_much(source: str) -> None:
    text = LiquidText(source)
    started = time.perf_counter()
    with pytest.raises(TemplateLimitError):
        text.render(DATA)
    assert time.perf_counter() - started < 5  # a second at most, on an idle machine


@pytest.mark.parametrize(
    "source",
    [
        "x" * (limits.TEMPLATE_SOURCE_CHARS_MAX + 1),
        "{% if " + " or ".join(["true"] * limits.TEMPLATE_EXPRESSION_PARTS_MAX) + " %}x{% endif %}",
        "{% if true %}" * 2000 + "{% endif %}" * 2000,
        "{{ a" + "[a" * 3000 + "]" * 3000 + " }}",
    ],
)
def test_a_source_that_is_too_much(source: str) -> None:
    with pytest.raises(TemplateError):
        LiquidText(source)


def test_what_a_receipt_needs_is_far_within_the_bounds() -> None:
    source = "{% for l in event.lines %}{{ l.name | upcase }} {{ l.price | times: l.quantity }}\n{% endfor %}"
    work = Work()
    assert LiquidText(source).render({"event": {"lines": LINES[:300]}}, work) == "TEA 3\n" * 300
    assert work.left > 0.9 * limits.TEMPLATE_WORK_MAX


def test_an_allowance_is_for_all_texts_that_are_paid_from_it() -> None:
    text, work = LiquidText("{{ event.text }}"), Work(200)
    for _ in range(3):
        text.render(DATA, work)
    with pytest.raises(TemplateLimitError):
        text.render(DATA, work)


def test_a_loop_of_long_text_takes_no_short_cut() -> None:
    with pytest.raises(TemplateLimitError):
        LiquidText("{% for l in event.lines limit: 900 %}" + "x" * 100_000 + "{% endfor %}").render(DATA)
    with pytest.raises(TemplateLimitError):
        LiquidText("{% for l in event.few %}" + "x" * 100_000 + "{% endfor %}").render({"event": {"few": LINES[:900]}})


def test_a_message_as_a_whole() -> None:
    part = "ж" * (limits.CONTENT_BYTES_MAX // 4)
    assert within_bounds({"text": part}) == {"text": part}
    with pytest.raises(TemplateLimitError):
        within_bounds({"text": part, "button": {"text": part, "url": "x"}})
