"""The cart: what is in it, and the notice when nothing happens to it (contract, fine print "Cart")."""

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


def set_cart_timers(handling: Handling, *, only_ahead: bool) -> None:
    """One timer per campaign's cart trigger, counted from the last change; `only_ahead` leaves out what is overdue."""
    _drop_timers(handling)
    state = handling.state
    if not state.cart or state.cart_changed_at is None:
        return
    for campaign, index, trigger in handling.programme.cart_triggers:
        due = trigger.after.after(state.cart_changed_at)
        if due > handling.now or not only_ahead:
            handling.set_timer(due, CART_TIMER, campaign.id, str(index))


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
