"""What an event adds to the member's counters, and what a return or a cancelled order takes back.

A late event counts in its own time. `purchase_returned` and `order_cancelled` lower sums and totals by their amount
when they are handled; counts stay (contract, "Counters").
"""

from decimal import Decimal
from typing import Any

from streams.engine import windows
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.limits import ORDERS_KEPT_MAX
from streams.engine.plans import CounterPlan
from streams.engine.profile import cut
from streams.engine.state import MemberState, Order, Tally
from streams.engine.view import View


def count(handling: Handling, event: Event) -> None:
    """Count the event in every counter that it concerns."""
    if event.type == "order_cancelled":
        _take_back_order(handling, event)
    elif event.type == "purchase_returned":
        _take_back_purchase(handling, event)
    counters = handling.plan.counters_by_event.get(event.type)
    is_order = event.type == "order_placed"
    if counters is None and not is_order:
        return
    view = View(handling, event.body)
    added: dict[str, Decimal] = {}
    for counter in counters or ():
        if counter.test is not None and not counter.test(view):
            continue
        value = _value(counter.aggregate, event.body.get(counter.field) if counter.field else None)
        if value is None:
            continue
        _add(handling, counter, event.occurred_at, value)
        if is_order and counter.aggregate == "sum":
            added[counter.name] = Decimal(value)
    order_id = event.body.get("order_id")
    if is_order and order_id is not None and added:
        handling.state.orders = [*handling.state.orders, Order(cut(order_id), event.occurred_at, added)][
            -ORDERS_KEPT_MAX:
        ]


def adopt_counters(handling: Handling) -> None:
    """Forget what was counted for counters that are gone or changed: they begin anew, also one that comes back."""
    state, counters = handling.state, handling.plan.counters
    state.tallies = {
        name: tally
        for name, tally in state.tallies.items()
        if name in counters and counters[name].fingerprint == tally.definition
    }
    for order in state.orders:
        order.sums = {name: amount for name, amount in order.sums.items() if name in state.tallies}
    state.orders = [order for order in state.orders if order.sums]


def unite_counts(handling: Handling, other: MemberState) -> None:
    """Add up what was counted for another state."""
    state, counters = handling.state, handling.plan.counters
    for name, tally in other.tallies.items():
        counter = counters.get(name)
        if counter is None or counter.fingerprint != tally.definition:
            continue
        own = state.tallies.get(name)
        if own is None or own.definition != tally.definition:
            state.tallies[name] = tally
        else:
            windows.unite(own, tally, counter)
    orders = sorted([*state.orders, *other.orders], key=lambda order: order.at)
    state.orders = orders[-ORDERS_KEPT_MAX:]


def _value(aggregate: str, field: Any) -> Decimal | int | str | None:
    if aggregate == "count":
        return 1
    if aggregate == "distinct":
        return None if field is None else cut(field)
    if isinstance(field, bool) or not isinstance(field, int | Decimal):
        return None
    return field


def _add(handling: Handling, counter: CounterPlan, at: int, value: Decimal | int | str) -> None:
    tallies = handling.state.tallies
    tally = tallies.get(counter.name)
    if tally is None or tally.definition != counter.fingerprint:
        tally = tallies[counter.name] = Tally(counter.fingerprint)
    if counter.aggregate == "distinct":
        handling.grew = True
    windows.add(tally, counter, value, at=at, now=handling.state.clock, tz=handling.plan.zone)


def _take_back_order(handling: Handling, event: Event) -> None:
    """Whatever was counted under the order's number, also if it was placed again with changes."""
    state, order_id = handling.state, event.body.get("order_id")
    if order_id is None:
        return
    order_id = cut(order_id)
    cancelled = [order for order in state.orders if order.order_id == order_id]
    state.orders = [order for order in state.orders if order.order_id != order_id]
    for order in cancelled:
        for name, amount in order.sums.items():
            counter = handling.plan.counters.get(name)
            if counter is not None:
                _add(handling, counter, event.occurred_at, -amount)


def _take_back_purchase(handling: Handling, event: Event) -> None:
    total = event.body.get("total")
    if total is None:
        return
    view = View(handling, event.body)
    for counter in handling.plan.counters_by_event.get("purchase_completed", ()):
        if counter.aggregate != "sum" or counter.field != "total":
            continue
        if counter.test is None or counter.test(view):
            _add(handling, counter, event.occurred_at, -total)
