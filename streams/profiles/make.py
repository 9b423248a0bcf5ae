"""From a member's state, as its changelog has it, to the profile that is carried on.

Pure. What depends on the time of asking (counters, balances, days since) is carried as what it is reckoned from, so
that a profile need not change because time goes by. A stranger's state has no profile, and neither has that of a member
who was erased.

The record stays bounded, whatever the state holds: texts are cut, and where it would be larger than a record may be,
its lists are left out one after another, what says least first, and `left_out` names them.
"""

from decimal import Decimal
from typing import Any

import msgspec

from schemas.codec import Codec
from schemas.profiles import MemberProfile
from streams.engine.channels import CHANNELS
from streams.engine.events import is_stranger
from streams.engine.limits import TEXT_CHARS_MAX
from streams.engine.local_time import zone
from streams.engine.state import BEFORE_ALL, NOBODYS, MemberState, Profile
from streams.engine.state_bytes import decode
from streams.members.emit import RECORD_BYTES_MAX
from streams.members.held import own_state
from streams.members.record import DUE_BYTES, RESERVED, state_of

_EXPENDABLE = ("journeys", "counters", "accruals", "social", "attributes", "segments", "last_times")
"""In the order in which they go. What remains is bounded by the length of texts. What was said about being written to
is never among them: 200 statements are small, and who hasn't said no would be taken to agree."""
_SMALL_MAX = 2**63 - 1


class UnfitStateError(ValueError):
    """A record of the changelog that no profile can be made of; the message says why."""


def is_members(key: bytes) -> bool:
    """Whether a record of the changelog is a member's: neither the stage's own nor a stranger's."""
    return not key.startswith(RESERVED) and not is_stranger(key.decode(errors="replace"))


def profile_value(codec: Codec, value: bytes | None) -> tuple[bytes | None, int | None]:
    """What `member.profiles` gets for a member's record of the changelog, and the member's clock (ms).

    None: nothing is known of the member any more. Raises `UnfitStateError` for what is no state, or one whose values
    fit no profile, and what the registry raises.
    """
    if value is None:
        return None, None
    if len(value) <= DUE_BYTES:
        raise UnfitStateError(f"no state of a member: {len(value)} bytes")
    try:
        own = own_state(state_of(value))
        if own is None:
            return None, None
        state = decode(own)
        profile = profile_of(state)
        return (None, None) if profile is None else (_encode(codec, profile), profile.at)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnfitStateError(f"no profile can be made of the member's state: {error}") from error


def profile_of(state: MemberState) -> MemberProfile | None:
    """The profile that a state amounts to; None if nothing is known of the member."""
    if state.programme == NOBODYS or state.clock == BEFORE_ALL:
        return None
    profile, purchases, rfm = state.profile, state.purchases, state.rfm
    resolved = profile.time_zone or profile.city_zone
    return MemberProfile(
        member_id=state.key,
        at=state.clock,
        registered_at=profile.registered_at,
        birth_date=profile.birth_date,
        time_zone=resolved if resolved and zone(resolved) else None,
        stated_time_zone=_text(profile.time_zone),
        first_name=_text(profile.first_name),
        middle_name=_text(profile.middle_name),
        last_name=_text(profile.last_name),
        phone=_text(profile.phone),
        email=_text(profile.email),
        gender=_text(profile.gender),
        city=_text(profile.city),
        address=_text(profile.address),
        referrer_id=_text(profile.referrer_id),
        status=_text(profile.status),
        card_number=_text(profile.card_number),
        push_token=_text(profile.push_token),
        platform=_text(profile.platform),
        attributes=_attributes(profile),
        social=[{"network": _text(name), "profile_id": _text(each)} for name, each in profile.social.items()],
        purchases_count=purchases.count,
        purchases_total=_number(purchases.total),
        purchases_first_at=purchases.first_at,
        purchases_last_at=purchases.last_at,
        counters=_counters(state),
        last_times=[
            {"type": name, "latest": latest, "earlier": earlier} for name, (latest, earlier) in state.last_at.items()
        ],
        accruals=_accruals(state),
        segments=[
            *({"segment": name, "inside": inside, "assigned": True} for name, inside in state.assigned.items()),
            *({"segment": name, "inside": True, "assigned": False} for name in state.inside),
        ],
        rfm_segment=_text(rfm.get("segment")),
        rfm_recency=_score(rfm.get("recency")),
        rfm_frequency=_score(rfm.get("frequency")),
        rfm_monetary=_score(rfm.get("monetary")),
        statements=[
            {
                "channel": each.channel,
                "messaging_type": each.messaging_type,
                "subscribed": each.subscribed,
                "at": each.at,
            }
            for each in state.statements
        ],
        undeliverable=[
            {"channel": name, "address": _text(getattr(profile, CHANNELS[name].address, None)) or ""}
            for name in profile.undeliverable
            if name in CHANNELS
        ],
        journeys=[
            {"campaign": each.campaign, "version": each.version, "entered_at": each.entered_at, "waits_at": each.at}
            for each in state.journeys
        ],
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX]


def _score(value: Any) -> int | None:
    return value if type(value) is int and abs(value) <= _SMALL_MAX else None


def _number(value: object) -> str:
    """Plain decimal digits: a float as it prints, an int as it is."""
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    text = str(number)
    return f"{number:f}" if "E" in text else text  # without an exponent both are the same; this is quicker


def _attributes(profile: Profile) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, value in profile.attributes.items():
        each: dict[str, Any] = {"name": _text(name)}
        if isinstance(value, bool):
            each["truth"] = value
        elif isinstance(value, int | float):
            each["number"] = _number(value)
        else:
            each["text"] = _text(value)
        found.append(each)
    return found


def _counters(state: MemberState) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "definition": tally.definition,
            "numbers": [{"bucket": bucket, "number": _number(each)} for bucket, each in tally.numbers.items()],
            "values": [
                {"bucket": bucket, "value": _text(each)} for bucket, values in tally.values.items() for each in values
            ],
        }
        for name, tally in state.tallies.items()
    ]


def _accruals(state: MemberState) -> list[dict[str, Any]]:
    return [
        {
            "accrual_id": each.accrual_id,
            "currency": each.currency,
            "amount": _number(each.amount),
            "spent": _number(each.spent),
            "accrued_at": each.accrued_at,
            "activates_at": each.activates_at,
            "expires_at": each.expires_at,
            "cancelled": each.cancelled,
        }
        for each in state.accruals
    ]


def _encode(codec: Codec, profile: MemberProfile) -> bytes:
    value = codec.encode(profile)
    left_out: list[dict[str, Any]] = []
    for name in _EXPENDABLE:
        if len(value) <= RECORD_BYTES_MAX:
            break
        if getattr(profile, name):
            left_out.append({"part": name})
            profile = msgspec.structs.replace(profile, **{name: []}, left_out=left_out)
            value = codec.encode(profile)
    return value
