"""The cart: what is in it, and the notice when nothing happens to it (contract, fine print "Cart")."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.limits import CART_LINES_MAX
from streams.engine.profile import cut
from streams.engine.state import CartLine, MemberState

CART_TIMER = "cart"
_TEXTS = ("name", "category", "url", "image")
_CHANGES = frozenset({"cart_item_added", "cart_item_removed"})
_CLEARS = frozenset({"order_placed", "purchase_completed"})


def apply_to_cart(handling: Handling, event: Event) -> None:
    """Change the cart as the event says and set its timers anew."""
    state = handling.state
    if event.type in _CHANGES:
        _change(state, event)
        last = state.cart_changed_at
        state.cart_changed_at = event.occurred_at if last is None else max(last, event.occurred_at)
        set_cart_timers(handling, only_ahead=event.historical)
    elif event.type in _CLEARS and state.cart:
        if event.type == "order_placed":
            state.cart = []
        else:
            bought = {cut(line["sku"]) for line in event.body.get("lines") or () if line.get("sku") is not None}
            state.cart = [line for line in state.cart if line.sku not in bought]
        if not state.cart:
            _drop_timers(handling)


def set_cart_timers(handling: Handling, *, only_ahead: bool, only: Collection[tuple[str, str]] | None = None) -> None:
    """One timer per campaign's cart trigger, counted from the last change; `only_ahead` leaves out what is overdue.

    `only`: for these campaigns and places of their triggers, because the others had their notice of this change.
    """
    _drop_timers(handling)
    state = handling.state
    if not state.cart or state.cart_changed_at is None:
        return
    for campaign, index, trigger in handling.programme.cart_triggers:
        if only is not None and (campaign.id, str(index)) not in only:
            continue
        due = trigger.after.after(state.cart_changed_at)
        if due > handling.now or not only_ahead:
            handling.set_timer(due, CART_TIMER, campaign.id, str(index))


def unite_carts(state: MemberState, other: MemberState) -> set[tuple[str, str]]:
    """Put another's cart into this one: one line per sku, its quantities added up, with what the newer cart says of it.

    Returns the campaigns, with the places of their triggers, whose notice of either cart is still to come.
    """
    waiting = {
        (str(timer.owner), timer.detail) for each in (state, other) for timer in each.timers if timer.kind == CART_TIMER
    }
    last, others = state.cart_changed_at, other.cart_changed_at
    theirs_is_newer = others is not None and (last is None or others > last)
    lines = {line.sku: line for line in state.cart}
    for line in other.cart:
        own = lines.get(line.sku)
        if own is None:
            if len(lines) < CART_LINES_MAX:
                lines[line.sku] = line
            continue
        own.quantity += line.quantity
        for name in ("price", *_TEXTS):
            value = getattr(line, name)
            if value is not None and (theirs_is_newer or getattr(own, name) is None):
                setattr(own, name, value)
    state.cart = list(lines.values())
    if theirs_is_newer:
        state.cart_changed_at = others
    return waiting


def cart_body(state: MemberState) -> dict[str, Any]:
    """The body of the abandoned cart's event: `lines` and `total`."""
    lines = []
    total = Decimal(0)
    for line in state.cart:
        total += (line.price or 0) * line.quantity
        fields = ("sku", "name", "category", "quantity", "price", "url", "image")
        lines.append({name: value for name in fields if (value := getattr(line, name)) is not None})
    return {"lines": lines, "total": total}


def _drop_timers(handling: Handling) -> None:
    state = handling.state
    state.timers = [timer for timer in state.timers if timer.kind != CART_TIMER]


def _change(state: MemberState, event: Event) -> None:
    body = event.body
    if body.get("sku") is None:
        return
    sku = cut(body["sku"])
    quantity = body.get("quantity")
    quantity = Decimal(1) if quantity is None else Decimal(quantity)
    line = next((line for line in state.cart if line.sku == sku), None)
    if event.type == "cart_item_added":
        if line is None:
            if len(state.cart) < CART_LINES_MAX and quantity > 0:
                state.cart = [*state.cart, _line(sku, quantity, body)]
            return
        line.quantity += quantity
        if body.get("price") is not None:
            line.price = body["price"]
        for name in _TEXTS:
            if body.get(name) is not None:
                setattr(line, name, cut(body[name]))
    elif line is not None:
        line.quantity -= quantity
    if line is not None and line.quantity <= 0:
        state.cart = [other for other in state.cart if other is not line]


def _line(sku: str, quantity: Decimal, body: dict[str, Any]) -> CartLine:
    texts = {name: cut(body[name]) for name in _TEXTS if body.get(name) is not None}
    return CartLine(sku=sku, quantity=quantity, price=body.get("price"), **texts)
