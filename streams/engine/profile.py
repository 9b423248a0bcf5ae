"""What an event changes in the member's profile, consent and history of purchases.

Contract, fine print "Profile" and "Consent", and §4.3: an absent or null field changes nothing; a value that its rule
rejects clears the field; a late event fills only what is still empty. Each effect is one entry of `_EFFECTS`, so that
an event type without one costs a look-up. What personal fields are worth is judged by `streams.profile`, and told.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from streams.engine.addresses import CHANGING, addresses, note_changes, note_failure, unite_addresses
from streams.engine.channels import CHANNELS
from streams.engine.events import Event
from streams.engine.limits import ATTRIBUTES_MAX, NAME_CHARS_MAX, STATEMENTS_MAX, TEXT_CHARS_MAX
from streams.engine.local_time import to_datetime, zone
from streams.engine.message_plans import TypePlan
from streams.engine.state import MemberState, Profile, Statement
from streams.profile.findings import Finding
from streams.profile.read import find_zone, read_personal

_FILLED = (
    *("first_name", "middle_name", "last_name", "gender", "address", "referrer_id", "phone", "email", "birth_date"),
    *("city", "time_zone", "status", "push_token", "platform", "card_number"),
)
"""What a state that merges into another fills where that one has nothing."""
_WHOLE_MAX = 2**63
DOUBLE_OPT_IN = "double_opt_in"
CONFIRMED_SOURCES = "consent."
_NOTHING_FOUND: Sequence[Finding] = ()


def apply_to_profile(state: MemberState, event: Event, *, late: bool, region: str) -> Sequence[Finding]:
    """Change profile, consent and purchases as `event` says; return what the personal fields that it brings are worth.

    `region` reads phones and addresses that don't name their country.
    """
    if event.type == "purchase_completed":  # by far the most, and it needs no look-up
        _purchase(state, event, late, region)
        return _NOTHING_FOUND
    effect = _EFFECTS.get(event.type)
    if effect is None:
        return _NOTHING_FOUND
    if event.type not in CHANGING:
        return effect(state, event, late, region) or _NOTHING_FOUND
    before = addresses(state.profile)
    findings = effect(state, event, late, region)
    note_changes(state, before, event, late=late)
    return findings or _NOTHING_FOUND


def changes_profile(event_type: str) -> bool:
    """Whether events of this type may change what date triggers go by."""
    return event_type in _PROFILE_TYPES


def _fill(profile: Profile, field: str, value: Any, late: bool) -> None:
    if late and getattr(profile, field) is not None:
        return
    setattr(profile, field, value)


def _registration(state: MemberState, event: Event, late: bool, region: str) -> Sequence[Finding]:
    profile = state.profile
    if event.type == "registration_completed" and profile.registered_at is None:
        profile.registered_at = event.occurred_at
    attributes = event.body.get("attributes")
    left_out = 0
    if attributes:
        for key, value in attributes.items():
            name = cut(key)
            if value is None or (late and name in profile.attributes):
                continue
            if name in profile.attributes or len(profile.attributes) < ATTRIBUTES_MAX:
                profile.attributes[name] = plain_attribute(value)
            else:
                left_out += 1
    return _personal(state, event, late, region, left_out)


def _personal(state: MemberState, event: Event, late: bool, region: str, left_out: int = 0) -> Sequence[Finding]:
    """Take the personal fields as their rules leave them, and the zone that follows from them.

    `left_out` is the number of attributes that there was no room for.
    """
    profile = state.profile
    values, findings = read_personal(
        event.type,
        event.body,
        to_datetime(event.occurred_at).date(),
        region,
        known_zone=_is_zone,
        attributes_left_out=left_out,
    )
    for field, value in values.items():
        _fill(profile, field, cut(value) if isinstance(value, str) else value, late)
    profile.city_zone, found_by = find_zone(profile.city, profile.attributes, profile.address, profile.phone, region)
    if profile.time_zone is None and event.type == "registration_completed":
        findings.append(Finding("zone", "missing" if found_by is None else "valid", found_by))
    return findings


def _is_zone(name: str) -> bool:
    return zone(name) is not None


def unite_profiles(state: MemberState, other: MemberState, region: str) -> int:
    """Fill what is empty with what another state says; a person doesn't bring themself, and registers first once.

    Returns how many of the other's attributes there was no room for; the state's own all stay.
    """
    profile, theirs = state.profile, other.profile
    before = addresses(profile)
    for name in _FILLED:
        if getattr(profile, name) is None:
            setattr(profile, name, getattr(theirs, name))
    unite_addresses(state, before, theirs)
    if profile.referrer_id in {state.key, other.key}:
        profile.referrer_id = None
    if theirs.registered_at is not None:
        own = profile.registered_at
        profile.registered_at = theirs.registered_at if own is None else min(own, theirs.registered_at)
    left_out = 0
    for name, value in theirs.attributes.items():
        if name in profile.attributes:
            continue
        if len(profile.attributes) < ATTRIBUTES_MAX:
            profile.attributes[name] = value
        else:
            left_out += 1
    profile.social = {**theirs.social, **profile.social}
    profile.city_zone, _ = find_zone(profile.city, profile.attributes, profile.address, profile.phone, region)
    purchases, bought = state.purchases, other.purchases
    purchases.count += bought.count
    purchases.total += bought.total
    firsts = [at for at in (purchases.first_at, bought.first_at) if at is not None]
    lasts = [at for at in (purchases.last_at, bought.last_at) if at is not None]
    purchases.first_at, purchases.last_at = min(firsts, default=None), max(lasts, default=None)
    said = {(statement.channel, statement.messaging_type): statement.at for statement in state.statements}
    for statement in other.statements:
        own = said.get((statement.channel, statement.messaging_type))
        if own is None or statement.at > own:
            declare(state, statement.channel, statement.messaging_type, statement.subscribed, statement.at)
    return left_out


def plain_attribute(value: Any) -> str | bool | int | float:
    """An attribute as the state keeps it: whole numbers as such, other numbers as the float that prints the same.

    Beyond 64 bits, and what isn't finite, is kept as text.
    """
    if isinstance(value, Decimal) and value.is_finite():
        whole = value == value.to_integral_value()
        value = int(value) if whole and abs(value) < _WHOLE_MAX else str(value) if whole else float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if abs(value) < _WHOLE_MAX else str(value)
    return value if isinstance(value, bool | float) else cut(value)


def cut(value: Any) -> str:
    """A text as the state keeps it."""
    return str(value)[:TEXT_CHARS_MAX]


def _app_installed(state: MemberState, event: Event, late: bool, region: str) -> None:
    del region
    for field in ("push_token", "platform"):
        if field in event.body:
            _fill(state.profile, field, cut(event.body[field]), late)


def _social_linked(state: MemberState, event: Event, late: bool, region: str) -> None:
    del region
    network, profile_id = event.body.get("network"), event.body.get("profile_id")
    if network and profile_id and not (late and network in state.profile.social):
        state.profile.social[cut(network)] = cut(profile_id)


def _status(state: MemberState, event: Event, late: bool, region: str) -> None:
    del region
    if "status" in event.body:
        _fill(state.profile, "status", cut(event.body["status"]), late)


def _card(state: MemberState, event: Event, late: bool, region: str) -> None:
    del region
    if "card_number" in event.body:
        _fill(state.profile, "card_number", cut(event.body["card_number"]), late)


def _purchase(state: MemberState, event: Event, late: bool, region: str) -> None:
    del late, region
    purchases, at = state.purchases, event.occurred_at
    purchases.count += 1
    total = event.body.get("total")
    if total:
        purchases.total += total
    if purchases.first_at is None or at < purchases.first_at:
        purchases.first_at = at
    if purchases.last_at is None or at > purchases.last_at:
        purchases.last_at = at


def _returned(state: MemberState, event: Event, late: bool, region: str) -> None:
    del late, region
    state.purchases.total -= event.body.get("total") or 0


def _subscription(state: MemberState, event: Event, late: bool, region: str) -> Sequence[Finding]:
    del late, region
    body = event.body
    if "subscribed" not in body:
        return _NOTHING_FOUND
    return _state(state, event, body.get("messaging_type"), subscribed=body["subscribed"])


def _objection(state: MemberState, event: Event, late: bool, region: str) -> Sequence[Finding]:
    del late, region
    return _state(state, event, None, subscribed=False)


def _state(state: MemberState, event: Event, messaging_type: str | None, *, subscribed: bool) -> Sequence[Finding]:
    """Note what the event says of its channel, however that is written; tell of one that there isn't."""
    channel = event.body.get("channel")
    if channel is not None:
        channel = channel.strip().lower()
        if channel not in CHANNELS:
            return [Finding("channel", "rejected", "unknown_channel")]
    declare(state, channel, messaging_type, subscribed, event.occurred_at)
    return _NOTHING_FOUND


def _failed(state: MemberState, event: Event, late: bool, region: str) -> None:
    del late, region
    note_failure(state, event)


def declare(state: MemberState, channel: str | None, messaging_type: str | None, subscribed: bool, at: int) -> None:
    """Note what the member said of one channel and type; of equal scope the newest statement stands."""
    if channel is not None and channel not in CHANNELS:
        return
    messaging_type = None if messaging_type is None else messaging_type[:NAME_CHARS_MAX]
    for statement in state.statements:
        if statement.channel == channel and statement.messaging_type == messaging_type:
            if at >= statement.at:
                statement.subscribed, statement.at = subscribed, at
            return
    state.statements = [*state.statements, Statement(channel, messaging_type, subscribed, at)]
    if len(state.statements) > STATEMENTS_MAX:
        said = {(each.channel, each.messaging_type): each.subscribed for each in state.statements}
        typed = [statement for statement in state.statements if statement.messaging_type is not None]
        forgotten = min(typed, key=lambda statement: (_worth(statement, said), statement.at))
        state.statements = [statement for statement in state.statements if statement is not forgotten]


def _worth(statement: Statement, said: Mapping[tuple[str | None, str | None], bool]) -> int:
    """What its loss would change: of a yes, that less is sent (0); of a no, nothing if a wider one says it, too (1)."""
    if statement.subscribed:
        return 0
    channel, messaging_type = statement.channel, statement.messaging_type
    wider = [(None, None)] if channel is None else [(channel, None), (None, messaging_type), (None, None)]
    covering = [said[scope] for scope in wider if scope in said]
    return 1 if covering and not covering[0] else 2


def consents(state: MemberState, channel: str, messaging_type: str, consent: str) -> bool:
    """Whether a message may be sent: the narrowest statement that covers it, else what `consent` says without one.

    Both named, then the channel, then the type, then neither (contract, fine print "Consent").
    """
    if consent == "none":
        return True
    double = consent == DOUBLE_OPT_IN
    best: Statement | None = None
    best_rank = -1
    for statement in state.statements:
        if statement.channel not in {None, channel} or statement.messaging_type not in {None, messaging_type}:
            continue
        if double and statement.subscribed and statement.messaging_type is None:
            continue  # a yes to every type is none to one that has to be confirmed
        rank = 2 * (statement.channel is not None) + (statement.messaging_type is not None)
        if rank > best_rank:
            best, best_rank = statement, rank
    return best.subscribed if best is not None else consent == "opt_out"


def read_statement(event: Event, types: Mapping[str, TypePlan]) -> tuple[Event, Sequence[Finding]]:
    """The `subscription_changed` with its messaging type as the programme writes it, and what there is to tell of it.

    One that the programme doesn't have is kept as it stands: a later programme may.
    """
    named = event.body.get("messaging_type")
    if named is None or named in types:
        return event, _NOTHING_FOUND
    plain = named.strip().lower()
    meant = next((name for name in types if name.lower() == plain), None)
    if meant is None:
        return event, [Finding("messaging_type", "doubtful", "unknown_type")]
    return msgspec.structs.replace(event, body={**event.body, "messaging_type": meant}), _NOTHING_FOUND


def awaits_confirmation(event: Event, types: Mapping[str, TypePlan]) -> bool:
    """Whether the event is a yes that isn't confirmed, to a messaging type that needs it: it states nothing yet.

    Confirmed is what comes from a source of `CONFIRMED_SOURCES`: the links of our own messages, or a producer that
    vouches for it.
    """
    body = event.body
    if not body.get("subscribed") or event.source.startswith(CONFIRMED_SOURCES):
        return False
    kind = types.get(body.get("messaging_type") or "")
    return kind is not None and kind.consent == DOUBLE_OPT_IN


_EFFECTS: Mapping[str, Callable[[MemberState, Event, bool, str], Sequence[Finding] | None]] = {
    "registration_completed": _registration,
    "profile_updated": _registration,
    "phone_bound": _personal,
    "email_bound": _personal,
    "app_installed": _app_installed,
    "social_profile_linked": _social_linked,
    "status_changed": _status,
    "status_calculated": _status,
    "card_issued": _card,
    "purchase_returned": _returned,
    "subscription_changed": _subscription,
    "member_unsubscribed": _objection,
    "message_complained": _objection,
    "message_failed": _failed,
}
_PROFILE_TYPES = frozenset({"registration_completed", "profile_updated"})
