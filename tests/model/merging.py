"""The naive model's merger of two states: everything that was known of one is known of the other."""

from typing import Any

from tests.model import bounds
from tests.model.member import Member
from tests.model.parts import ADDRESS, DAY


def absorb(member: Member, other: Member, at: int, *, historical: bool) -> list[dict[str, Any]]:
    """Make `other` part of the member; what `other` still did by itself is returned."""
    for each in (member, other):
        if each.clock is not None:
            each.fire_until(at - 1)
    member.clock = max(each for each in (member.clock, other.clock, at) if each is not None)
    unite_profiles(member, other)
    unite_knowledge(member, other)
    member.owed = sorted([*member.owed, *other.owed], key=lambda dispatch: dispatch["at"])
    unite_purchases(member, other)
    told = {timer.place for each in (member, other) for timer in each.timers if timer.place[:1] == ("cart",)}
    unite_carts(member, other)
    member.known = member.known or other.known
    member.reset("cart", {})
    moving = [timer for timer in other.timers if timer.journey is not None]
    member.parked += other.parked
    journeys, output = list(other.journeys), other.output
    other.__dict__ = member.__dict__  # so that its running generators and its timers go on as the member's
    if member.known:
        member.set_cart_timers(only_ahead=historical, only=told)
        member.set_bonus_timers(since=member.now + 1 if historical else at)
        ahead = member.now + 1 if historical or at < member.now else at
        member.set_date_timers(since=ahead)
        member.set_schedule_timers(since=ahead)
    move_journeys(member, journeys, moving)
    member.note_segments(silently=historical)
    member.settle()
    member.fire_until(member.now)
    return output


def move_journeys(member: Member, journeys: list[Any], timers: list[Any]) -> None:
    running = {journey.campaign for journey in member.journeys}
    member.timers += timers
    member.journeys += journeys
    for journey in journeys:
        if journey.campaign in running:
            member.stop(journey, "superseded", "superseded")
    for journey in reversed(journeys):
        if len(member.journeys) > bounds.JOURNEYS_MAX and not journey.over:
            member.stop(journey, "ended", "limit_exceeded")
    member.journeys.sort(key=lambda journey: journey.entered_at)


def unite_profiles(member: Member, other: Member) -> None:
    for field in set(ADDRESS.values()):
        theirs, own = other.profile.get(field), member.profile.get(field)
        if theirs is not None and own not in {None, theirs}:
            member.moved[field] = member.now
        elif theirs is not None and field in other.moved:
            member.moved[field] = max(other.moved[field], member.moved.get(field, other.moved[field]))
    member.dead |= other.dead
    for field, value in other.profile.items():
        if member.profile.get(field) is None:
            member.profile[field] = value
    if member.profile.get("referrer_id") in {member.key, other.key}:
        member.profile["referrer_id"] = None
    member.attributes = {**other.attributes, **member.attributes}
    member.social = {**other.social, **member.social}
    registered = [each.registered_at for each in (member, other) if each.registered_at is not None]
    member.registered_at = min(registered, default=None)
    member.statements = [*other.statements, *member.statements]


def unite_knowledge(member: Member, other: Member) -> None:
    member.events += other.events
    member.cancelled_orders += other.cancelled_orders
    for name, counted in other.counted.items():
        member.counted.setdefault(name, []).extend(counted)
    for place, now in other.seen.items():
        first, again = sorted((now, member.seen.get(place, now)))
        member.seen[place] = first if again - first <= 7 * DAY else again
    for mark, last in other.mailed.items():
        member.mailed[mark] = max(last, member.mailed.get(mark, last))
    member.date_years |= other.date_years
    for campaign, entered in other.entries.items():
        member.entries.setdefault(campaign, []).extend(entered)
    member.sent += other.sent
    member.awards += other.awards
    member.lists = {**other.lists, **member.lists}
    for segment, inside in other.within.items():
        member.within[segment] = inside or member.within.get(segment, False)
    member.noticed |= other.noticed
    known = {each["id"] for each in member.accruals}
    member.accruals += [each for each in other.accruals if each["id"] not in known]


def unite_purchases(member: Member, other: Member) -> None:
    """Of two of one number, only the newer can still be returned."""
    newest: dict[str, dict[str, Any]] = {}
    both = [*member.purchases_made, *other.purchases_made]
    for purchase in both:
        if purchase["receipt"] is not None and purchase["left"] > 0:
            known = newest.setdefault(purchase["receipt"], purchase)
            if purchase["at"] > known["at"]:
                newest[purchase["receipt"]] = purchase
    member.purchases_made = [each for each in both if newest.get(each["receipt"]) is each]


def unite_carts(member: Member, other: Member) -> None:
    newer = other.cart_changed is not None and (member.cart_changed is None or other.cart_changed > member.cart_changed)
    for sku, line in other.cart.items():
        own = member.cart.get(sku)
        if own is None:
            member.cart[sku] = line
            continue
        quantity = own["quantity"] + line["quantity"]
        member.cart[sku] = {**own, **line} if newer else {**line, **own}
        member.cart[sku]["quantity"] = quantity
    if newer:
        member.cart_changed = other.cart_changed
