"""Web sessions of the demo, generated with a fixed seed: the real data knows tills only.

Two members in five shop on line as well. A session looks at products that the member really buys (from baskets of that
very month), puts some into the cart, may take one out again, and ends in an order or leaves the cart behind. Some
members turn marketing off for a channel one day, so that consent shows its effect. Every draw comes from a generator
seeded by `SEED` and the member's number: the same sessions whatever the selection of members, in every run.
"""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import polars as pl

from streams.demo import contacts
from streams.engine.events import Event

SEED = 2017
_SHOPPERS = 0.4
_SESSIONS_MAX = 16
_UNSUBSCRIBE = 0.05
_DAY_MS = 86_400_000
_EVENING_MS = 15 * 3_600_000  # sessions start between 15:00 and 03:00 UTC: daytime and evening of the members' zones
_EVENING_LENGTH_MS = 12 * 3_600_000
_NOT_SOLD_ON_LINE = "COUPON/MISC ITEMS"  # fuel, deposits and the like
_URL = "https://shop.example.com"


def generate(baskets: pl.DataFrame) -> Iterator[Event]:
    """Sessions of the members of `baskets` (as `input.read_baskets` gives them), in order of time."""
    groceries = pl.element().struct.field("category").ne_missing(_NOT_SOLD_ON_LINE)
    first = pl.col("lines").list.eval(pl.element().filter(groceries)).list.first()
    looked_at = baskets.select("member", "at", line=first).drop_nulls("line").sort("member", "at", maintain_order=True)
    events: list[Event] = []
    for (number,), rows in looked_at.group_by("member", maintain_order=True):
        # Not cryptography: a reproducible draw.
        draw = random.Random(f"{SEED}/{number}")  # noqa: S311
        assert isinstance(number, int)
        baskets_of_member = list(rows.select("at", "line").iter_rows())
        if draw.random() < _SHOPPERS:
            _sessions(draw, number, baskets_of_member, events)
        if draw.random() < _UNSUBSCRIBE:
            _unsubscribe(draw, number, baskets_of_member, events)
    events.sort(key=lambda event: (event.occurred_at, event.event_id))
    return iter(events)


def _sessions(draw: random.Random, number: int, baskets: list[tuple[int, dict[str, Any]]], events: list[Event]) -> None:
    for session in range(draw.randrange(2, _SESSIONS_MAX)):
        index = draw.randrange(len(baskets))
        at = baskets[index][0] // _DAY_MS * _DAY_MS + draw.randrange(1, 8) * _DAY_MS + _EVENING_MS
        at += draw.randrange(_EVENING_LENGTH_MS)
        products = [line for _, line in baskets[max(0, index - 6) : index + 1]]
        _session(draw, _Writer(number, f"{session:02d}", at, events), products)


class _Writer:
    """Appends the events of one session, a little time apart."""

    def __init__(self, number: int, session: str, at: int, events: list[Event]) -> None:
        self.member = contacts.member_id(number)
        self.session = f"{self.member}-{session}"
        self.at = at
        self._events = events
        self._count = 0

    def write(self, kind: str, after_ms: int, **body: Any) -> None:
        self.at += after_ms
        self._count += 1
        self._events.append(
            Event(
                event_id=f"web-{self.session}-{self._count:02d}",
                type=kind,
                occurred_at=self.at,
                source="web",
                key=self.member,
                member_id=self.member,
                body=body,
            )
        )


def _session(draw: random.Random, writer: _Writer, products: list[dict[str, Any]]) -> None:
    writer.write("site_visited", 0, url=f"{_URL}/")
    cart: dict[str, dict[str, Any]] = {}
    for product in draw.sample(products, min(len(products), draw.randrange(1, 5))):
        shown = _product(product)
        writer.write("product_viewed", draw.randrange(5_000, 120_000), **shown, url=f"{_URL}/p/{shown['sku']}")
        if draw.random() < 0.5:  # noqa: PLR2004
            line = {**shown, "quantity": Decimal(draw.randrange(1, 4)), "price": _price(product)}
            writer.write("cart_item_added", draw.randrange(2_000, 40_000), **line, url=f"{_URL}/p/{line['sku']}")
            cart[line["sku"]] = line
    if len(cart) > 1 and draw.random() < 0.2:  # noqa: PLR2004
        line = cart.pop(draw.choice(sorted(cart)))
        writer.write("cart_item_removed", draw.randrange(5_000, 60_000), **line)
    if cart and draw.random() < 0.45:  # noqa: PLR2004
        total = sum((line["quantity"] * line["price"] for line in cart.values()), Decimal(0))
        writer.write(
            "order_placed",
            draw.randrange(30_000, 300_000),
            order_id=f"order-{writer.session}",
            total=total,
            lines=[{**line, "discount": Decimal(0)} for line in cart.values()],
        )


def _product(line: dict[str, Any]) -> dict[str, Any]:
    shown = {"sku": str(line["product_id"]), "name": line["name"], "category": line["category"]}
    return {name: value for name, value in shown.items() if value is not None}


def _price(line: dict[str, Any]) -> Decimal:
    """Shelf price in whole cents."""
    return Decimal(line["price"] // 10_000) / 100


def _unsubscribe(draw: random.Random, number: int, baskets: list[tuple[int, Any]], events: list[Event]) -> None:
    writer = _Writer(number, "preferences", baskets[draw.randrange(len(baskets))][0], events)
    channel = draw.choice(("sms", "email"))
    writer.write(
        "subscription_changed", draw.randrange(_DAY_MS), channel=channel, messaging_type="marketing", subscribed=False
    )
