from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from streams.engine.limits import TEMPLATE_LOOP_ROUNDS_MAX
from streams.engine.liquid_text import LiquidText, TemplateError, plain_number, render_body, strings_names
from streams.engine.liquid_work import Work
from streams.engine.templates import Template

DATA: dict[str, Any] = {
    "member": {
        "first_name": "Ann <b>",
        "middle_name": None,
        "whole": Decimal("351.000000"),
        "half": Decimal("12.500000"),
        "huge": Decimal("1E+6"),
        "birth_date": date(1980, 2, 29),
        "seen_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
    },
    "event": {"lines": [{"price": Decimal("1.10")}, {"price": Decimal("2.20")}], "none": []},
}


def render(source: str, *, html: bool = False) -> str:
    return LiquidText(source, html=html).render(DATA)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Hi {{ member.first_name }}", "Hi Ann <b>"),
        ("{{ member.whole }} {{ member.half }} {{ member.huge }} {{ 351.0 }} {{ 5 }}", "351 12.5 1000000 351 5"),
        ("{{ member.half | times: 0.1 }}", "1.25"),
        ("{{ 0.1 | plus: 0.2 }}", "0.3"),
        ("{{ member.whole | plus: 1 | append: ' points' }}", "352 points"),
        ("{{ 'x' | append: member.whole }}", "x351"),
        ("{{ 10 | divided_by: 4 }} {{ 10.0 | divided_by: 4 }} {{ 7 | modulo: 4 }}", "2 2.5 3"),
        ("{{ 2.5 | round }} {{ 2.345 | round: 2 }} {{ 1.2 | ceil }} {{ 1.8 | floor }} {{ -3 | abs }}", "3 2.35 2 1 3"),
        ("{{ 3 | at_most: 2.5 }} {{ 3 | at_least: 5 }} {{ '7' | minus: 2 }}", "2.5 5 5"),
        ("{{ event.lines | sum: 'price' }} {{ event.lines | map: 'price' | join: '+' }}", "3.3 1.1+2.2"),
        ("{% for line in event.lines %}{{ line.price }};{% endfor %}", "1.1;2.2;"),
        ("{% if member.half == 12.5 %}equal{% endif %}", "equal"),
        ("{{ member.birth_date }} {{ member.seen_at }}", "1980-02-29 2026-01-05T10:00:00Z"),
        ("{{ member.birth_date | date: '%d.%m' }} {{ member.seen_at | date: '%H:%M' }}", "29.02 10:00"),
        ("{{ member.gone | default: 'friend' }} {{ member.middle_name | default: 'friend' }}", "friend friend"),
        ("{% if member.gone %}a{% else %}b{% endif %}{% if member.middle_name %}a{% else %}b{% endif %}", "bb"),
        ("{% if member.gone == 'x' %}a{% endif %}{% if member.gone > 3 %}a{% endif %}b", "b"),
        ("{% assign name = member.middle_name %}{% unless name %}none{% endunless %}", "none"),
        ("{% assign total = 5 | plus: 0.5 %}{{ total }}", "5.5"),
    ],
)
def test_rendered(source: str, expected: str) -> None:
    assert render(source) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ member.gone }}", "member.gone is undefined"),
        ("{{ gone }}", "gone is undefined"),
        ("{{ member.middle_name }}", "member.middle_name is undefined or null"),
        ("{{ member.middle_name | upcase }}", "is null"),
        ("{{ 1 | plus: member.gone }}", "undefined"),
        ("{{ member.gone.deeper }}", "undefined"),
        ("{{ nil }}", "null"),
        ("{{ event.none | first }}", "null"),
        ("{{ event.lines | first }}", "record"),
        ("{% echo member.gone %}", "undefined"),
        ("{% for line in member.gone %}{% endfor %}", "undefined"),
        ("{% for line in member.middle_name %}{% endfor %}", "null"),
        ("{{ now }}", "now is undefined"),
        ("{{ 'now' | date: '%Y' }}", "ISO 8601"),
        ("{{ 1 | divided_by: 0 }}", "divide by 0"),
        ("{{ 'x' | plus: 1 }}", "expected a number"),
        ("a\n{{ member.gone }}", "line 2"),
        (f"{{% for i in (0..{TEMPLATE_LOOP_ROUNDS_MAX}) %}}{{% endfor %}}", "loop iteration limit"),
        (
            f"{{% for i in (1..9999) %}}{'x' * 110}{{% endfor %}}",
            "limit",
        ),
    ],
)
def test_not_rendered(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        render(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ x",
        "{% if %}",
        "{% if a %}",
        "{{ a | nofilter }}",
        "{% include 'x' %}",
        "{% render 'x' %}",
        "{% nope %}",
        "x" * 600_000,
    ],
)
def test_not_parsed(source: str) -> None:
    with pytest.raises(TemplateError):
        LiquidText(source)


def test_html_escapes_what_the_data_say() -> None:
    assert render("<p>{{ member.first_name }} {{ member.half }}</p>", html=True) == "<p>Ann &lt;b&gt; 12.5</p>"


def test_names_are_the_paths_asked_of_the_data() -> None:
    text = LiquidText(
        "{% assign z = 1 %}{{ z }}{{ member.a.b }}{% if event.c %}{{ event.c }}{% endif %}{{ d | default: 1 }}"
    )
    assert text.names() == {"member.a.b", "event.c", "d"}
    assert text.needed() == {"member.a.b"}


def test_strings_inside_a_value_are_rendered() -> None:
    body = {"name": "{{ member.first_name }}", "list": ["{{ member.half }}", 5, None]}
    assert render_body(body, DATA, Work()) == {"name": "Ann <b>", "list": ["12.5", 5, None]}
    assert strings_names(body) == {"member.first_name", "member.half"}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("-0.0"), "0"),
        (Decimal("0.000001"), "0.000001"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal(100), "100"),
        (0.1, "0.1"),
    ],
)
def test_numbers_print_plainly(number: Decimal | float, text: str) -> None:
    assert plain_number(number) == text


FULL = Template(
    id="t",
    text="t {{ a }}",
    subject="s",
    html="<b>",
    image="i",
    title="h",
    url="u",
    button={"text": "go {{ a }}", "url": "https://x/{{ a }}"},
)


@pytest.mark.parametrize(
    ("channel", "parts"),
    [
        *(
            (channel, ["text"])
            for channel in ("sms", "social", "voice", "receipt", "cashier", "chat_bot", "call_center")
        ),
        ("email", ["subject", "text", "html"]),
        ("push", ["title", "text", "url", "image"]),
        ("in_app", ["title", "text", "url", "image"]),
        ("viber", ["text", "image", "button"]),
    ],
)
def test_a_channel_gets_the_parts_that_it_takes(channel: str, parts: list[str]) -> None:
    assert list(FULL.render(channel, {"a": 1})) == parts


def test_a_button_is_rendered_part_by_part() -> None:
    assert FULL.render("viber", {"a": 1})["button"] == {"text": "go 1", "url": "https://x/1"}


def test_only_what_the_channel_takes_is_rendered() -> None:
    template = Template(id="t", text="plain", html="{{ gone }}", subject="s")
    assert template.render("sms", {}) == {"text": "plain"}
    with pytest.raises(TemplateError):
        template.render("email", {})


@pytest.mark.parametrize("mark", ["%confirm_url:%", "%confirm_url: %", "%confirm_url:{{ kind }}%"])
@pytest.mark.parametrize(("part", "channel"), [("text", "sms"), ("html", "email"), ("button", "viber")])
def test_a_link_to_confirm_of_no_messaging_type_is_not_rendered(part: str, channel: str, mark: str) -> None:
    value: Any = {"text": "Yes", "url": mark} if part == "button" else f"Yes: {mark}"
    template = Template(**{"id": "t", "subject": "s", "text": "t", part: value})
    with pytest.raises(TemplateError, match="names no messaging type"):
        template.render(channel, {"kind": " "})
    assert template.confirming_nothing == (() if "{{" in mark else ((part, "url") if part == "button" else (part,),))


def test_a_link_to_confirm_may_take_its_messaging_type_from_the_data() -> None:
    template = Template(id="t", text="%unsubscribe_url% %confirm_url:{{ kind }}% 5% %confirm_url")
    assert template.render("sms", {"kind": "news"}) == {"text": "%unsubscribe_url% %confirm_url:news% 5% %confirm_url"}


def test_a_template_names_the_part_that_isn_t_liquid() -> None:
    with pytest.raises(ValidationError) as caught:
        Template.model_validate({"id": "t", "text": "{{ a", "button": {"text": "{% if %}", "url": "u"}})
    assert [detail["loc"] for detail in caught.value.errors()] == [("text",), ("button", "text")]
    with pytest.raises(ValidationError, match="at least one part"):
        Template.model_validate({"id": "t"})


def test_names_by_part() -> None:
    assert FULL.names == {"a"}
    assert FULL.names_in("text") == {"a"}
    assert FULL.names_in("html") == frozenset()
    assert FULL.needed_in("button") == {"a"}
