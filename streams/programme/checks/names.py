"""The names that conditions and templates may use, and the kinds of their values."""

from collections.abc import Mapping
from typing import Any

from schemas.catalogue import EVENT_TYPES, FieldType
from streams.engine.campaign import Campaign
from streams.engine.rfm import FAMILIES
from streams.engine.triggers import Trigger
from streams.engine.triggers.bonus import BonusTrigger
from streams.engine.triggers.cart_abandoned import CartAbandoned

Fields = Mapping[str, FieldType]
DATE_FIELDS = ("birth_date", "registered_at")
RFM = {FAMILIES[0]: "string", **dict.fromkeys(FAMILIES[1:], "integer")}
PURCHASES = {"count": "integer", "total": "decimal", "first_at": "timestamp", "last_at": "timestamp"}
MEMBER: dict[str, str] = {
    **dict.fromkeys(
        (
            *("id", "first_name", "middle_name", "last_name", "phone", "email", "gender", "city", "address"),
            *("time_zone", "referrer_id", "status", "push_token", "platform", "card_number"),
        ),
        "string",
    ),
    "birth_date": "date",
    "registered_at": "timestamp",
    "age": "integer",
    "days_since_registration": "integer",
}
CAMPAIGN = ("id", "version", "name", "group")
POLL = ("id", "questions")
QUESTION = ("id", "text", "options")
_NO_FIELDS: Fields = {}


def event_fields(event: str) -> Fields | None:
    """The body fields of an event type; None if there is no such type."""
    found = EVENT_TYPES.get(event)
    return None if found is None else found.fields


def entry_fields(campaign: Campaign) -> Fields | None:
    """The fields that the entry event of a campaign may have, whichever trigger it was; None if that can't be told."""
    fields: dict[str, FieldType] = {}
    for trigger in campaign.triggers:
        found = _trigger_fields(trigger)
        if found is None:
            return None
        fields.update(found)
    return fields


def _trigger_fields(trigger: Trigger) -> Fields | None:
    event = trigger.event_type
    if event is not None:
        return event_fields(event)
    if isinstance(trigger, CartAbandoned):
        lines = EVENT_TYPES["order_placed"].fields
        return {"lines": lines["lines"], "total": lines["total"]}
    if isinstance(trigger, BonusTrigger):
        accrued = EVENT_TYPES["bonus_accrued"].fields
        return {"amount": accrued["amount"], "currency": accrued["currency"]}
    return _NO_FIELDS


def is_date(name: str) -> bool:
    """Whether a date trigger can go by that field of the profile."""
    return name in DATE_FIELDS or name.startswith("attributes.")


def all_fields() -> set[str]:
    """The fields of all event types."""
    return {name for event in EVENT_TYPES.values() for name in event.fields}


def member_kind(name: str) -> str | None:
    """The kind of `member.<name>`: `any` for an attribute; None if there is no such name."""
    head, dot, rest = name.partition(".")
    if not dot:
        return MEMBER.get(name)
    if head == "purchases":
        return PURCHASES.get(rest)
    return {"attributes": "any", "bonus": "decimal", "social": "string"}.get(head) if rest else None


def member_names() -> list[str]:
    """The names below `member.`, for those who mistype one."""
    return [*MEMBER, *(f"purchases.{name}" for name in PURCHASES), "attributes.<name>", "bonus.<currency>"]


def kinds_of(value: Any) -> frozenset[str]:
    """The kinds of names that a literal of a condition can be compared with."""
    if isinstance(value, bool):
        return frozenset({"boolean"})
    if isinstance(value, str):
        return frozenset({"string", "enum", "date", "timestamp"})
    return frozenset() if value is None else frozenset({"integer", "decimal"})
