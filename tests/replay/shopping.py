"""Made-up members and what they do, by a seeded generator: enough of everything that a campaign can listen to."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from streams.engine.events import Event
from tests.replay.living import DAY, HOUR, MINUTE, SECOND, Pipeline, make_event

_NAMES = ("Ada", "Boris", "Clara", "Dmitri", "Eva", "Fyodor", "Greta", "Hugo", "Irina", "Jonas", "Klara", "Lev")
_CITIES = ("Москва", "Omsk", "Vladivostok", "Kaliningrad", "Berlin", "Riga")
_ZONES = ("Europe/Moscow", "Asia/Vladivostok", "Europe/Berlin", "America/New_York")
_GOODS = (("tea", "Tea", 350), ("coffee", "Coffee", 640), ("kettle", "Kitchen", 2900), ("bread", "Bakery", 55.5))


def moment(text: str) -> int:
    """`2024-02-29T12:00` in UTC as milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


def shop(pipeline: Pipeline, *, seed: int, members: int, begin: int, until: int, often: float = 1) -> None:
    """Put so many members' doings between two moments (ms) into the pipeline; `often` is how eager they are."""
    chance = random.Random(seed)
    for number in range(members):
        key = f"m{number:02d}"
        joined = begin + chance.randint(0, 60 * DAY // MINUTE) * MINUTE
        for event in _member(chance, number, key, joined, members):
            pipeline.put(event.occurred_at, event)
        for event in _doings(chance, key, joined, until, often):
            _arrive(pipeline, chance, event)


def _member(chance: random.Random, number: int, key: str, at: int, members: int) -> Iterator[Event]:
    name = _NAMES[number % len(_NAMES)]
    born = f"{chance.randint(1950, 2004)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
    fields: dict[str, Any] = {"first_name": name, "birth_date": born, "city": chance.choice(_CITIES)}
    if chance.random() < 0.85:
        fields["phone"] = f"+7916{number:07d}"
    if chance.random() < 0.85:
        fields["email"] = f"{name}.{number}@example.com".lower()
    if chance.random() < 0.3:
        fields["time_zone"] = chance.choice(_ZONES)
    if chance.random() < 0.4:
        fields["referrer_id"] = f"m{chance.randrange(members):02d}"
    for past in range(chance.randint(0, 2)):
        before = at - (past + 1) * 40 * DAY
        yield make_event(key, "purchase_completed", before, historical=True, **_receipt(chance))
    yield make_event(f"visitor:v{number}", "app_installed", at - HOUR, platform="ios", push_token=f"visitor-{number}")
    yield make_event(key, "registration_completed", at, **fields)
    if chance.random() < 0.7:
        yield make_event(key, "app_installed", at + HOUR, platform="ios", push_token=f"token-{number}")
    if chance.random() < 0.6:
        yield make_event(key, "phone_bound", at + 2 * HOUR, phone=f"+7926{number:07d}")
    if chance.random() < 0.6:
        yield make_event(key, "social_profile_linked", at + 3 * HOUR, network="vk", profile_id=f"id{number}")


def _doings(chance: random.Random, key: str, begin: int, until: int, often: float) -> Iterator[Event]:
    years = (until - begin) / (365 * DAY)
    for kind, yearly, fields in _WHENEVER:
        wanted = yearly * years * often * chance.uniform(0.5, 1.5)
        for turn in range(int(wanted) + (chance.random() < wanted % 1)):
            at = begin + chance.randint(0, (until - begin) // SECOND) * SECOND
            body = _accrual(chance, str(turn), at) if kind == "bonus_accrued" else fields(chance)
            burst = chance.randint(1, 4) if kind == "product_viewed" else 1
            for again in range(burst):
                yield make_event(key, kind, at + again * MINUTE, **body)


def _arrive(pipeline: Pipeline, chance: random.Random, event: Event) -> None:
    """Most come at once, some late, some twice, some as a part of the history."""
    late = chance.choice([MINUTE, HOUR, DAY, 9 * DAY]) if chance.random() < 0.05 else chance.randint(0, 2) * SECOND
    if chance.random() < 0.02:
        event.historical = True
    pipeline.put(event.occurred_at + late, event)
    if chance.random() < 0.03:
        pipeline.put(event.occurred_at + late + chance.choice([SECOND, DAY, 6 * DAY]), event)


def _receipt(chance: random.Random) -> dict[str, Any]:
    lines = []
    total = 0.0
    for sku, category, price in chance.sample(_GOODS, chance.randint(1, 2)):
        lines.append({"sku": sku, "name": sku.title(), "category": category, "quantity": 1, "price": price})
        total += price
    paid = 30 if chance.random() < 0.1 else 0
    return {
        "receipt_id": f"r{chance.randrange(10**6)}",
        "store_id": "7",
        "total": total,
        "bonus_paid": paid,
        "lines": lines,
    }


def _good(chance: random.Random) -> dict[str, Any]:
    sku, category, _ = chance.choice(_GOODS)
    return {"sku": sku, "name": sku.title(), "category": category}


def _accrual(chance: random.Random, name: str, at: int) -> dict[str, Any]:
    active = at + chance.choice([0, 0, 3 * DAY, 14 * DAY])
    expires = chance.choice([None, 30 * DAY, 90 * DAY])
    found = {
        "accrual_id": name,
        "amount": chance.choice([20, 150, 612.5]),
        "currency": "points",
        "activates_at": active,
    }
    return found if expires is None else {**found, "expires_at": active + expires}


_WHENEVER = (
    # type, how often in a year, and its fields
    ("purchase_completed", 14, _receipt),
    ("purchase_returned", 2, lambda chance: {"total": chance.choice([55.5, 350])}),
    ("site_visited", 4, lambda chance: {"url": "https://shop.example.com"}),
    ("product_viewed", 7, _good),
    ("cart_item_added", 5, lambda chance: {**_good(chance), "quantity": chance.randint(1, 3), "price": 640}),
    ("cart_item_removed", 1, _good),
    ("order_placed", 3, lambda chance: {"order_id": f"o{chance.randint(1, 9)}", "total": chance.choice([700, 99.9])}),
    ("order_cancelled", 2, lambda chance: {"order_id": f"o{chance.randint(1, 9)}"}),
    ("bonus_accrued", 6, lambda chance: {}),
    ("bonus_paid", 2, lambda chance: {"receipt_id": "paid", "amount": 50, "currency": "points"}),
    (
        "status_changed",
        1,
        lambda chance: chance.choice(
            [{"previous": "standard", "status": "silver"}, {"previous": "silver", "status": "gold"}]
        ),
    ),
    (
        "subscription_changed",
        1,
        lambda chance: {"subscribed": chance.random() < 0.5, "channel": chance.choice(["sms", "email", None])},
    ),
    (
        "profile_updated",
        1,
        lambda chance: chance.choice(
            [
                {"city": chance.choice(_CITIES)},
                {"birth_date": "1988-02-29"},
                {"attributes": {"tier": "a"}},
                {"phone": "no"},
            ]
        ),
    ),
    ("friend_invited", 0.5, lambda chance: {"referral_id": "r1"}),
    ("social_activity", 0.5, lambda chance: {"network": "vk", "action": "like"}),
    ("feedback_received", 1, lambda chance: {"text": "Thanks"}),
    (
        "poll_answered",
        2,
        lambda chance: {"poll": "after-purchase", "question": "visit", "answer": chance.choice(["good", "bad"])},
    ),
    ("application_form_completed", 0.5, lambda chance: {"section": "all"}),
    ("balance_inquired", 1, lambda chance: {"receipt_id": "inquiry"}),
    ("bonus_cancelled", 1, lambda chance: {"accrual_id": str(chance.randint(0, 5))}),
    ("bonus_activated", 1, lambda chance: {"accrual_id": str(chance.randint(0, 5))}),
    ("bonus_expired", 1, lambda chance: {"accrual_id": str(chance.randint(0, 5))}),
    ("discount_calculated", 0.3, lambda chance: {"receipt_id": "asked", "discount": 5}),
    ("bonus_calculated", 0.3, lambda chance: {"receipt_id": "asked", "amount": 5, "currency": "points"}),
    ("card_issued", 0.3, lambda chance: {"receipt_id": "card", "card_number": f"card-{chance.randrange(10**6)}"}),
    ("card_activated", 0.3, lambda chance: {}),
    ("application_form_updated", 0.3, lambda chance: {"section": "address"}),
    ("email_bound", 0.3, lambda chance: {"email": f"{chance.randrange(10**6)}@example.com"}),
    ("section_visited", 0.3, lambda chance: {"section": "tea"}),
    ("social_group_joined", 0.3, lambda chance: {"network": "vk", "group": "tea"}),
    ("social_group_left", 0.3, lambda chance: {"network": "vk", "group": "tea"}),
    ("social_activity_removed", 0.3, lambda chance: {"network": "vk", "action": "like"}),
    ("status_calculated", 0.5, lambda chance: {"status": "silver"}),
    ("segment_assigned", 0.5, lambda chance: {"segment": "chosen"}),
    ("segment_removed", 0.5, lambda chance: {"segment": "chosen"}),
)
