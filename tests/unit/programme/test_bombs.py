"""Files that would take for ever, all memory or the process itself: each is refused with a sentence."""

import time

import pytest

from streams.engine import limits
from streams.programme import ProblemsError, load
from streams.programme.yaml_text import read_yaml

NINE = "a: &a [x, x, x, x, x, x, x, x, x]\n"
LAUGHS = NINE + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * 100_000 + "]" * 100_000,
        "{a: " * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "a: &a [*a]",
        LAUGHS,
    ],
    ids=["opened", "closed", "mappings", "items", "keys", "circle", "laughs"],
)
def test_what_nests_or_multiplies_without_end(text: str) -> None:
    [problem, *_] = read_yaml(text, "x.yaml").problems
    assert "too" in problem.message


@pytest.mark.parametrize("number", ["0x" + "F" * 6000, "9" * 6000, "1E+999999", "1E-999999", "1e1e1"])
def test_a_number_too_large_to_reckon_with_is_text(number: str) -> None:
    assert read_yaml(f"a: {number}", "x.yaml").data == {"a": number}


@pytest.mark.parametrize("opening", ["{{", "{%", "{% raw %}", "{% if a %}", "{{ a | b: '"])
def test_a_template_that_is_never_closed(opening: str) -> None:
    for count in (limits.TEMPLATE_TAGS_MAX, 20 * limits.TEMPLATE_TAGS_MAX):
        template = f'templates: [{{id: x, text: "{opening * count}"}}]'
        started = time.perf_counter()
        with pytest.raises(ProblemsError, match="isn't valid Liquid"):
            load([{"templates/x.yaml": template}])
        assert time.perf_counter() - started < 20


BOUGHT = "{member.purchases.count: {ge: 1}}"


def chain(length: int, where: str) -> dict[str, str]:
    """Segments of which each asks for the next."""
    files = {
        f"segments/{each}.yaml": f"id: s{each}\nwhere: {where.replace('NEXT', str(each + 1))}" for each in range(length)
    }
    return files | {"segments/last.yaml": f"id: s{length}\nwhere: {BOUGHT}"}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (chain(30, "{any: [{segment: sNEXT}, {segment: s0}]}"), "circle"),
        (chain(300, "{segment: sNEXT}"), f"more than {limits.SEGMENT_DEPTH_MAX} deep"),
        (chain(30, "{any: [{segment: sNEXT}, {not: {segment: sNEXT}}]}"), "more than 10000 tests"),
    ],
    ids=["circle", "deep", "wide"],
)
def test_segments_that_ask_for_each_other_without_end(files: dict[str, str], message: str) -> None:
    campaign = "id: c\ntrigger: {event: site_visited}\nactions: [{exit: done}]"
    started = time.perf_counter()
    with pytest.raises(ProblemsError, match=message):
        load([{**files, "c.yaml": campaign}])
    assert time.perf_counter() - started < 10


def test_segments_may_ask_for_segments() -> None:
    campaign = "id: c\ntrigger: {event: site_visited}\naudience: {segment: s0}\nactions: [{exit: done}]"
    assert load([{**chain(limits.SEGMENT_DEPTH_MAX - 1, "{segment: sNEXT}"), "c.yaml": campaign}]).campaigns


def test_a_name_of_a_million_characters() -> None:
    with pytest.raises(ProblemsError, match="at most 10000 characters"):
        load([{"c.yaml": f"id: {'x' * 1_000_000}\ntrigger: {{event: site_visited}}\nactions: [{{exit: done}}]"}])
