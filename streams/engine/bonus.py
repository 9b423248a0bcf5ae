"""Bonus points: accruals, payments, and the notices before they activate or expire (contract, fine print "Bonus").

What activates or expires on one day of the programme's zone is one notice per member, campaign, currency and day. Its
amount is reckoned when it comes; its timer is reckoned anew with every change of an accrual.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from streams.engine.events import Event
from streams.engine.handling import Handling
from streams.engine.limits import ACCRUALS_KEPT_MAX
from streams.engine.local_time import DAY_MS, days_after, local_moment, to_datetime, to_ms
from streams.engine.profile import cut
from streams.engine.state import Accrual, MemberState
from streams.engine.view import active_accruals

if TYPE_CHECKING:
    from streams.engine.triggers.bonus import BonusTrigger
    from streams.engine.values import Duration

BONUS_TIMER = "bonus"
_NEVER = 2**62
_KEPT_AFTER_EXPIRY_MS = 30 * DAY_MS


def apply_to_bonus(handling: Handling, event: Event) -> None:
    """Change the accruals as the event says and set the notices' timers anew."""
    if not event.type.startswith("bonus_"):
        return
    state = handling.state
    match event.type:
        case "bonus_accrued":
            _accrue(state, event)
        case "bonus_activated" | "bonus_expired" | "bonus_cancelled":
            _correct(state, event)
        case "bonus_paid":
            _spend(state, event)
            return
        case _:
            return
    state.accruals = [
        accrual
        for accrual in state.accruals
        if accrual.expires_at is None or accrual.expires_at + _KEPT_AFTER_EXPIRY_MS > state.clock
    ][-ACCRUALS_KEPT_MAX:]
    set_bonus_timers(handling, since=None if event.historical else event.occurred_at)


def _accrue(state: MemberState, event: Event) -> None:
    body = event.body
    accrual_id, amount = _id_of(event), body.get("amount")
    if accrual_id is None or amount is None or any(item.accrual_id == accrual_id for item in state.accruals):
        return
    activates_at, expires_at = body.get("activates_at"), body.get("expires_at")
    accrual = Accrual(
        accrual_id=accrual_id,
        amount=Decimal(amount),
        currency=cut(body.get("currency") or "points"),
        accrued_at=event.occurred_at,
        activates_at=event.occurred_at if activates_at is None else to_ms(activates_at),
        expires_at=None if expires_at is None else to_ms(expires_at),
    )
    state.accruals = [*state.accruals, accrual]


def _id_of(event: Event) -> str | None:
    accrual_id = event.body.get("accrual_id")
    return None if accrual_id is None else cut(accrual_id)


def _correct(state: MemberState, event: Event) -> None:
    accrual_id = _id_of(event)
    for accrual in state.accruals:
        if accrual.accrual_id != accrual_id:
            continue
        if event.type == "bonus_activated":
            accrual.activates_at = event.occurred_at
        elif event.type == "bonus_expired":
            accrual.expires_at = event.occurred_at
        else:
            accrual.cancelled = True


def _spend(state: MemberState, event: Event) -> None:
    """A payment takes from the accruals active at its time: those that expire first, then by activation, then by id."""
    left = event.body.get("amount") or Decimal(0)
    currency = cut(event.body.get("currency") or "points")
    for accrual in sorted(
        active_accruals(state, currency, event.occurred_at),
        key=lambda item: (_NEVER if item.expires_at is None else item.expires_at, item.activates_at, item.accrual_id),
    ):
        taken = max(Decimal(0), min(left, accrual.amount - accrual.spent))
        accrual.spent += taken
        left -= taken
        if left <= 0:
            return


@dataclass(frozen=True, slots=True)
class _Notice:
    owner: str
    detail: str
    due: int


def set_bonus_timers(handling: Handling, since: int | None = None) -> None:
    """Reckon all notices: those due at or after `since` (ms), by default strictly after now."""
    state = handling.state
    if not handling.programme.bonus_triggers:
        state.timers = [timer for timer in state.timers if timer.kind != BONUS_TIMER]
        return
    wanted = {(notice.owner, notice.detail): notice for notice in _notices(handling, since)}
    keep = []
    for timer in state.timers:
        if timer.kind == BONUS_TIMER:
            notice = wanted.get((str(timer.owner), timer.detail))
            if notice is None or notice.due != timer.due:
                continue
            del wanted[notice.owner, notice.detail]
        keep.append(timer)
    state.timers = keep
    for notice in wanted.values():
        handling.set_timer(notice.due, BONUS_TIMER, notice.owner, notice.detail)


def _notices(handling: Handling, since: int | None) -> Iterator[_Notice]:
    for campaign, index, trigger in handling.programme.bonus_triggers:
        days: dict[date, int] = {}
        for accrual in handling.state.accruals:
            moment = _moment(accrual, trigger)
            if moment is None or not _counts(accrual, trigger, moment):
                continue
            day = to_datetime(moment, handling.programme.zone).date()
            days[day] = min(days.get(day, moment), moment)
        for day, first in sorted(days.items()):
            detail = f"{index}/{day.isoformat()}"
            due = _due(handling, trigger, day, first)
            ahead = due > handling.now if since is None else due >= since
            if ahead and first > handling.now and f"{campaign.id}/{detail}" not in handling.state.noticed:
                yield _Notice(campaign.id, detail, due)


def _lead(trigger: "BonusTrigger") -> "Duration":
    lead = trigger.expires_in if trigger.activates_in is None else trigger.activates_in
    assert lead is not None, "a bonus trigger states one of both"
    return lead


def _moment(accrual: Accrual, trigger: "BonusTrigger") -> int | None:
    return accrual.expires_at if trigger.activates_in is None else accrual.activates_at


def _counts(accrual: Accrual, trigger: "BonusTrigger", moment: int) -> bool:
    return (
        accrual.currency == trigger.currency
        and not accrual.cancelled
        and _lead(trigger).before(moment) >= accrual.accrued_at
    )


def _due(handling: Handling, trigger: "BonusTrigger", day: date, first: int) -> int:
    lead = _lead(trigger)
    if trigger.at is None:
        return lead.before(first)
    days, rest_ms = divmod(lead.ms, DAY_MS)
    noon = local_moment(day, trigger.at, handling.zone)
    day = to_datetime(lead.before(noon), handling.zone).date() if lead.months else days_after(day, -days)
    return local_moment(day, trigger.at, handling.zone) - rest_ms


def notice_amount(handling: Handling, trigger: "BonusTrigger", day: date) -> Decimal | None:
    """What activates or expires on `day` as it stands now; None if that is below the minimum or nothing is left."""
    total = Decimal(0)
    for accrual in handling.state.accruals:
        moment = _moment(accrual, trigger)
        if moment is None or not _counts(accrual, trigger, moment):
            continue
        if to_datetime(moment, handling.programme.zone).date() == day:
            total += accrual.amount - accrual.spent
    return total if total > 0 and total >= trigger.minimum else None
