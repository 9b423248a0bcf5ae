"""Which dispatch a purchase is owed to, and what a return takes back of it (contract §4.10).

A purchase is a `purchase_completed`: an order that is placed on the site becomes one when its receipt comes, and would
count twice. It goes to one dispatch of the member whose period covers it, from the delivery (else the sending) on until
exactly `goal.within` after it, as the version had it that sent it; to a campaign without a goal nothing is attributed.
Of those that cover it, to the last clicked, else the last delivered, else the last sent: all as of the purchase's own
time, with what the gateways had reported when it was handled. What a gateway said it couldn't hand over wasn't sent.

A return corrects the purchase whose receipt it names, an `order_cancelled` the one whose receipt has the order's
number, by at most what is left of it; one that names none that is known corrects nothing. Historical purchases and
returns attribute and correct nothing; historical statuses count.

Everything stands with the sent message. It is forgotten when no cap counts it any more, its period has been over for as
long as a purchase may come late, and its purchases can't be returned any more.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from streams.engine.commands import Attribution, Dispatch
from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.ids import derived_id
from streams.engine.limits import (
    ATTRIBUTED_KEPT_MAX,
    CLICKS_KEPT_MAX,
    LATE_PURCHASE_MS,
    RETURN_MS,
    SENT_KEPT_MAX,
)
from streams.engine.profile import cut
from streams.engine.spans import Span, span_of
from streams.engine.state import Attributed, MemberState, Sent
from streams.engine.values import Duration

TOUCHES = ("sent", "delivered", "clicked")
_PERIODS: dict[str, Span] = {}
_PERIODS_KEPT_MAX = 1000


def remember(handling: Handling, dispatch: Dispatch, period: Span | None, *, capped: bool) -> None:
    """Keep a dispatch for caps and attribution, and forget those that matter to neither any more."""
    _forget(handling)
    state = handling.state
    if capped or period is not None:
        state.sent.append(
            Sent(
                at=dispatch.at,
                dispatch_id=dispatch.dispatch_id,
                channel=dispatch.channel,
                campaign=dispatch.campaign,
                capped=capped,
                version=dispatch.version,
                action=dispatch.action,
                period=None if period is None else period.text,
            )
        )
        del state.sent[:-SENT_KEPT_MAX]


def attribute(handling: Handling, event: Event) -> None:
    """Note what a status says of a dispatch; attribute a purchase; correct by a return or a cancelled order."""
    if not handling.state.sent:
        return
    if event.type == "purchase_completed":  # by far the most, and it needs no look-up
        _attribute(handling, event)
        return
    effect = _EFFECTS.get(event.type)
    if effect is not None:
        effect(handling, event)


def unite_sent(state: MemberState, other: MemberState) -> None:
    """Put together what was sent to either; a receipt's number that both know names the newer purchase."""
    newest: dict[str, Attributed] = {}
    for sent in (*state.sent, *other.sent):
        for purchase in sent.purchases:
            known = newest.get(purchase.receipt_id)
            if known is None or purchase.at > known.at:
                newest[purchase.receipt_id] = purchase
    state.sent = sorted([*state.sent, *other.sent], key=lambda sent: sent.at)[-SENT_KEPT_MAX:]
    for sent in state.sent:
        if sent.purchases:
            sent.purchases = [each for each in sent.purchases if each is newest[each.receipt_id]]


def _note_status(handling: Handling, event: Event) -> None:
    dispatch_id = event.body.get("dispatch_id")
    for sent in handling.state.sent:
        if sent.dispatch_id == dispatch_id and _in_memory(sent, handling.now):
            at = max(event.occurred_at, sent.at)  # a gateway whose clock is behind hasn't sent it before
            if event.type == "message_failed":
                sent.period = sent.period if sent.delivered_at is not None else None
            elif event.type == "message_sent":
                sent.sent_at = at if sent.sent_at is None else min(at, sent.sent_at)
            else:
                sent.delivered_at = at if sent.delivered_at is None else min(at, sent.delivered_at)
            if event.type == "message_clicked":
                sent.clicked = sorted([*sent.clicked, at])[-CLICKS_KEPT_MAX:]


def _attribute(handling: Handling, event: Event) -> None:
    at, receipt_id = event.occurred_at, _number(event, "receipt_id")
    if event.historical or handling.now - at > LATE_PURCHASE_MS:
        return
    best, best_touch = None, (-1, 0)
    for sent in handling.state.sent:
        touch = _touch(sent, at)
        if touch is not None and touch >= best_touch:
            best, best_touch = sent, touch
        if sent.purchases:  # a number that a till uses again names the newer purchase
            sent.purchases = [
                other
                for other in sent.purchases
                if other.receipt_id != receipt_id and _is_returnable(other, handling.now)
            ]
    _forget(handling)
    if best is None:
        return
    total = event.body.get("total") or Decimal(0)
    purchase = Attributed(receipt_id or "", at, total, TOUCHES[best_touch[0]], best_touch[1])
    if receipt_id is not None and total > 0:
        best.purchases = [*best.purchases, purchase][-ATTRIBUTED_KEPT_MAX:]
    _put_out(handling, event, best, purchase, total)


def _number(event: Event, field: str) -> str | None:
    """The number of a receipt or an order as the state keeps it."""
    number = event.body.get(field)
    return None if number is None else cut(number)


def _touch(sent: Sent, at: int) -> tuple[int, int] | None:
    """How, and when (ms), the dispatch last reached the member by the moment `at`; None if it doesn't cover that."""
    if sent.period is None or sent.at > at:
        return None
    began = sent.at if sent.sent_at is None else sent.sent_at
    touch = 0
    if sent.delivered_at is not None and sent.delivered_at <= at:
        began, touch = sent.delivered_at, 1
    if not began <= at < _period(sent.period).after(began):
        return None
    if sent.clicked and sent.clicked[0] <= at:
        return 2, max(click for click in sent.clicked if click <= at)
    return touch, began


def _take_back(handling: Handling, event: Event) -> None:
    """What was returned, or all of a cancelled order, goes off the latest purchase of that number."""
    is_return = event.type == "purchase_returned"
    number = _number(event, "receipt_id" if is_return else "order_id")
    if event.historical or number is None:
        return
    for sent in handling.state.sent:
        for purchase in sent.purchases:
            if purchase.receipt_id == number and _is_returnable(purchase, handling.now):
                amount = min(event.body.get("total") or Decimal(0), purchase.left) if is_return else purchase.left
                if amount <= 0:
                    return
                purchase.left -= amount
                sent.purchases = [other for other in sent.purchases if other.left > 0]
                _put_out(handling, event, sent, purchase, -amount)
                return


def _put_out(handling: Handling, event: Event, sent: Sent, purchase: Attributed, amount: Decimal) -> None:
    handling.output.append(
        Attribution(
            at=handling.now,
            attribution_id=derived_id(sent.dispatch_id, event.source, event.event_id, event.occurred_at),
            member_id=handling.state.key,
            dispatch_id=sent.dispatch_id,
            campaign=sent.campaign,
            version=sent.version,
            action=sent.action,
            channel=sent.channel,
            event=event.type,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            purchase=purchase.receipt_id or None,
            amount=amount,
            touch=purchase.touch,
            touched_at=purchase.touched_at,
        )
    )


def _forget(handling: Handling) -> None:
    state, now, caps_ms = handling.state, handling.state.clock, handling.plan.caps_kept_ms
    for sent in state.sent:
        if not _matters(sent, now, caps_ms):
            state.sent = [other for other in state.sent if _matters(other, now, caps_ms)]
            return


def _matters(sent: Sent, now: int, caps_ms: int) -> bool:
    if (sent.capped and sent.at + caps_ms > now) or _in_memory(sent, now):
        return True
    for purchase in sent.purchases:  # noqa: SIM110 - not a generator: it is asked for every message and purchase
        if _is_returnable(purchase, now):
            return True
    return False


def _in_memory(sent: Sent, now: int) -> bool:
    """Whether a purchase may still be attributed to it."""
    if sent.period is None:
        return False
    began = sent.delivered_at or sent.sent_at or sent.at
    return _period(sent.period).after(began) + LATE_PURCHASE_MS > now


def _period(text: str) -> Span:
    found = _PERIODS.get(text)
    if found is None:
        if len(_PERIODS) >= _PERIODS_KEPT_MAX:
            _PERIODS.clear()
        found = _PERIODS[text] = span_of(Duration.parse(text))
    return found


def _is_returnable(purchase: Attributed, now: int) -> bool:
    return purchase.at + RETURN_MS > now


_EFFECTS: Mapping[str, Callable[[Handling, Event], None]] = {
    "message_sent": _note_status,
    "message_delivered": _note_status,
    "message_opened": _note_status,
    "message_clicked": _note_status,
    "message_failed": _note_status,
    "purchase_returned": _take_back,
    "order_cancelled": _take_back,
}
