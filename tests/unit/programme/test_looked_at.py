"""When the lines of purchases may be left out: nothing in the programme names them, nor has the member use for them."""

import pytest

from streams.engine.state import CartLine, new
from streams.programme import load
from streams.programme.looked_at import needs_records, recordless_types

PURCHASE = frozenset({"purchase_completed"})
TEMPLATES = {
    "templates/t.yaml": 'templates: [{id: plain, text: "Hello"}, {id: lines, text: "{{ event.lines[0].name }}"}]'
}
SEND = "actions: [{wait: P1D}, {send: {channel: sms, template: plain}}]"
SOME_MILK = "{lines: {some: {name: milk}}}"


def campaign(*lines: str) -> dict[str, str]:
    return {**TEMPLATES, "c.yaml": "\n".join(("id: c", *lines)) + "\n"}


def test_what_names_plain_fields_takes_purchases_without_their_lines() -> None:
    bundle = campaign("trigger: {event: purchase_completed, where: {total: {ge: 5}}}", SEND)
    bundle["counters.yaml"] = "counters: {spend: {event: purchase_completed, aggregate: sum, field: total}}"
    assert recordless_types(load([bundle])) == PURCHASE


@pytest.mark.parametrize(
    "lines",
    [
        (f"trigger: {{event: purchase_completed, where: {SOME_MILK}}}", SEND),
        ("trigger: {event: purchase_completed}", f"audience: {SOME_MILK}", SEND),
        ("trigger: {event: site_visited}", f"cancel_on: [{{event: purchase_completed, where: {SOME_MILK}}}]", SEND),
        (
            "trigger: {event: site_visited}",
            f"goal: {{event: purchase_completed, within: P1D, where: {SOME_MILK}}}",
            SEND,
        ),
        ("trigger: {event: purchase_completed}", f"actions: [{{wait: P1D}}, {{if: {SOME_MILK}, then: [{{exit: x}}]}}]"),
        ("trigger: {event: purchase_completed}", "actions: [{wait: P1D}, {send: {channel: sms, template: lines}}]"),
        (
            "trigger: {event: purchase_completed}",
            "actions: [{if: {all: [{any: [" + SOME_MILK + "]}]}, then: [{exit: x}]}]",
        ),
        (
            "trigger: {event: site_visited}",
            f"actions: [{{wait: {{for: {{event: purchase_completed, where: {SOME_MILK}}}, timeout: P1D}}}}]",
        ),
    ],
)
def test_what_names_lines_has_them(lines: tuple[str, ...]) -> None:
    assert recordless_types(load([campaign(*lines)])) == frozenset()


def test_a_counter_over_lines_has_them() -> None:
    counters = f"counters: {{milk: {{event: purchase_completed, aggregate: count, where: {SOME_MILK}}}}}"
    bundle = campaign("trigger: {event: purchase_completed}", SEND)
    assert recordless_types(load([bundle | {"counters.yaml": counters}])) == frozenset()


def test_journeys_of_an_earlier_version_keep_theirs() -> None:
    before = campaign(
        "trigger: {event: purchase_completed}", f"cancel_on: [{{event: purchase_completed, where: {SOME_MILK}}}]", SEND
    )
    after = campaign("version: 2", "trigger: {event: purchase_completed}", SEND)
    assert recordless_types(load([after])) == PURCHASE
    assert recordless_types(load([before, after])) == frozenset()


def test_a_member_with_a_cart_or_a_referrer_has_them() -> None:
    member = new("m1")
    assert not needs_records(member)
    member.cart.append(CartLine(sku="1"))
    assert needs_records(member)
    brought = new("m2")
    brought.profile.referrer_id = "m1"
    assert needs_records(brought)
