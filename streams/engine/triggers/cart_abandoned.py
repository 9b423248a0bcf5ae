"""`cart_abandoned`: a cart that nothing happens to."""

from typing import ClassVar

from streams.engine.triggers import Trigger
from streams.engine.values import Period


class CartAbandoned(Trigger):
    """The cart has things in it and hasn't changed for `after`. The event has `lines` and `total`."""

    kind: ClassVar[str] = "cart_abandoned"
    example: ClassVar[str] = "cart_abandoned: {after: PT1H}\n"

    after: Period
