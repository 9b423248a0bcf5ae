"""The demo's input: what the data has, exactly, and the same in every run."""

import hashlib
from collections import Counter
from decimal import Decimal

import phonenumbers
import pytest
from email_validator import validate_email

from streams.demo import contacts
from streams.demo.input import REGISTRATION_LEAD_MS, generate, read_baskets
from streams.engine.events import Event


@pytest.fixture(scope="module")
def few() -> list[Event]:
    return list(generate(members=40))


def test_baskets_are_all_there_with_exact_totals() -> None:
    baskets = read_baskets()
    assert baskets.height == 155_848
    assert baskets["basket_id"].n_unique() == 155_848
    assert baskets["member"].n_unique() == 2_469
    assert baskets["total"].sum() == 459_603_958  # cents
    assert baskets["lines"].list.len().sum() == 1_469_307
    assert baskets["at"].is_sorted()


def test_same_events_in_every_run_and_selection(few: list[Event]) -> None:
    again = list(generate(members=40))
    assert hashlib.sha256(repr(few).encode()).digest() == hashlib.sha256(repr(again).encode()).digest()
    members = {event.member_id for event in few}
    more = [event for event in generate(members=60) if event.member_id in members]
    assert sorted(more, key=lambda event: event.event_id) == sorted(few, key=lambda event: event.event_id)


def test_events_are_in_order_and_unique(few: list[Event]) -> None:
    times = [event.occurred_at for event in few]
    assert times == sorted(times)
    assert len({(event.source, event.event_id) for event in few}) == len(few)
    kinds = Counter(event.type for event in few)
    assert kinds["registration_completed"] == 40
    assert kinds["cart_item_added"] > kinds["cart_item_removed"] > 0
    assert kinds["order_placed"] > 0


def test_registration_comes_an_hour_before_the_first_basket(few: list[Event]) -> None:
    first: dict[str | None, int] = {}
    registered: dict[str | None, int] = {}
    for event in few:
        if event.type == "purchase_completed":
            first.setdefault(event.member_id, event.occurred_at)
        if event.type == "registration_completed":
            registered[event.member_id] = event.occurred_at
    assert {member: at - REGISTRATION_LEAD_MS for member, at in first.items()} == registered


def test_totals_are_sums_of_lines(few: list[Event]) -> None:
    receipts = [event.body for event in few if event.type == "purchase_completed"]
    assert receipts
    for body in receipts:
        due = sum(
            (max(line["quantity"], Decimal(1)) * line["price"] - line["discount"] for line in body["lines"]), Decimal(0)
        )
        tolerance = sum((line["quantity"] + 1 for line in body["lines"]), Decimal(0)) / 1_000_000
        assert abs(due - body["total"]) <= tolerance
        assert body["total"] == body["total"].quantize(Decimal("0.01"))
        assert body["discount"] == sum(line["discount"] for line in body["lines"])


def test_contacts_are_valid_and_belong_to_one_member() -> None:
    bodies = [contacts.registration(number, None) for number in range(1, contacts.MEMBERS_MAX + 1)]
    assert len({body["phone"] for body in bodies}) == contacts.MEMBERS_MAX
    emails = [body["email"] for body in bodies if "email" in body]
    assert len(set(emails)) == len(emails)
    assert 0.03 < 1 - len(emails) / len(bodies) < 0.09
    for body in bodies[::10]:
        assert phonenumbers.is_valid_number(phonenumbers.parse(body["phone"]))
        if "email" in body:
            assert validate_email(body["email"], check_deliverability=False).normalized == body["email"]


def test_known_age_bracket_is_kept() -> None:
    for number in range(1, 200):
        assert 1981 <= contacts.registration(number, "25-34")["birth_date"].year <= 1992
