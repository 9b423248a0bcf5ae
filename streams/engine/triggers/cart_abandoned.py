"""`cart_abandoned`: a cart that nothing happens to."""

from typing import ClassVar

from streams.engine.triggers import Trigger
from streams.engine.values import Period


class CartAbandoned(Trigger):
    """The cart has things in it and hasn't changed for `after`. The event has `lines` and `total`."""

    kind: ClassVar[str] = "cart_abandoned"
    example: ClassVar[str] = "cart_abandoned: {after: PT1H}\n"
    shown_given: ClassVar[str] = """\
- {type: cart_item_added, occurred_at: 2026-03-02T12:00:00Z, sku: tea, price: 4.5}
- {type: cart_item_added, occurred_at: 2026-03-02T12:40:00Z, sku: cup, price: 9}
"""

    after: Period
    """How long nothing must have happened to the cart."""
