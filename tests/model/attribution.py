"""The naive model's attribution: every dispatch, what was reported of it, and the purchases owed to it (§4.10)."""

from decimal import Decimal
from typing import Any

from streams.engine.events import Event
from streams.engine.ids import derived_id
from streams.engine.values import Duration
from tests.model.messages import Messages
from tests.model.parts import DAY, MET

TOUCHES = ("sent", "delivered", "clicked")
LATE, RETURNED = 7 * DAY, 30 * DAY
"""A purchase so late is attributed to nothing; so long after it, one can't be returned."""


class Attribution(Messages):
    """Purchases, to whom they are owed and what is taken back of them."""

    def attribute(self, event: Event) -> None:
        if event.type in {*MET["sent"], "message_failed"}:
            for each in self.owed:
                if each["dispatch_id"] == event.body.get("dispatch_id"):
                    self.note_status(each, event)
        if event.historical:
            return
        if event.type == "purchase_completed" and self.now - event.occurred_at <= LATE:
            self.attribute_purchase(event)
        if event.type == "purchase_returned":
            self.take_back(event, event.body.get("receipt_id"), event.body.get("total") or Decimal(0))
        if event.type == "order_cancelled":
            self.take_back(event, event.body.get("order_id"), None)

    def note_status(self, dispatch: dict[str, Any], event: Event) -> None:
        """What couldn't be handed over wasn't sent, whatever is reported of it later."""
        reported = dispatch["reported"]
        failed = any(kind == "message_failed" for kind, _ in reported)
        arrived = any(kind in MET["delivered"] for kind, _ in reported)
        if not failed and not (arrived and event.type == "message_failed"):
            reported.append((event.type, max(event.occurred_at, dispatch["at"])))

    def attribute_purchase(self, event: Event) -> None:
        receipt, total = event.body.get("receipt_id"), event.body.get("total") or Decimal(0)
        for purchase in self.purchases_made:
            if receipt is not None and purchase["receipt"] == receipt:  # the number is used again
                purchase["left"] = Decimal(0)
        reached = [(self.touch(each, event.occurred_at), place) for place, each in enumerate(self.owed)]
        covering = [(touch, place) for touch, place in reached if touch is not None]
        if not covering:
            return
        (rank, at), place = max(covering)
        purchase = {"dispatch": self.owed[place], "receipt": receipt, "at": event.occurred_at, "left": total}
        purchase |= {"touch": TOUCHES[rank], "touched_at": at}
        self.purchases_made.append(purchase)
        self.put_out_attribution(event, purchase, total)

    def touch(self, dispatch: dict[str, Any], at: int) -> tuple[int, int] | None:
        """How and when it last reached the member by then; None if its period doesn't cover that."""
        reported = dispatch["reported"]
        if dispatch["at"] > at or any(kind == "message_failed" for kind, _ in reported):
            return None
        sent = min((when for kind, when in reported if kind == "message_sent"), default=dispatch["at"])
        delivered = min((when for kind, when in reported if kind in MET["delivered"]), default=None)
        clicks = [when for kind, when in reported if kind == "message_clicked" and when <= at]
        arrived = delivered is not None and delivered <= at
        began = delivered if arrived and delivered is not None else sent
        if not began <= at < Duration.parse(dispatch["within"]).after(began):
            return None
        return (2, max(clicks)) if clicks else (int(arrived), began)

    def take_back(self, event: Event, number: str | None, total: Decimal | None) -> None:
        """Off the purchase of that number: so much of what is left, or all of it."""
        for purchase in self.purchases_made:
            if number is None or purchase["receipt"] != number or purchase["left"] <= 0:
                continue
            if purchase["at"] + RETURNED > self.now:
                amount = purchase["left"] if total is None else min(total, purchase["left"])
                purchase["left"] -= amount
                if amount > 0:
                    self.put_out_attribution(event, purchase, -amount)

    def put_out_attribution(self, event: Event, purchase: dict[str, Any], amount: Decimal) -> None:
        dispatch = purchase["dispatch"]
        names = ("dispatch_id", "campaign", "version", "action", "channel")
        self.output.append(
            {
                "kind": "attribution",
                "at": self.now,
                "attribution_id": derived_id(dispatch["dispatch_id"], event.source, event.event_id, event.occurred_at),
                "member_id": self.key,
                **{name: dispatch[name] for name in names},
                "event": event.type,
                "event_id": event.event_id,
                "occurred_at": event.occurred_at,
                "purchase": purchase["receipt"],
                "amount": amount,
                "touch": purchase["touch"],
                "touched_at": purchase["touched_at"],
            }
        )
