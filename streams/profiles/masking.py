"""What says who somebody is, how to reach them or what they wrote, made useless to whoever doesn't know it already.

Which fields those are is declared once, in the Avro files (`"personal": true`); a profile's are those of the events
that filled it.
"""

from collections.abc import Collection, Mapping
from typing import Any

from schemas.catalogue import EVENT_TYPES
from sinks.senders.mask import mask

HIDDEN = "***"
_NAMES = frozenset({"first_name", "middle_name", "last_name"})
_ADDRESSES = frozenset({"phone", "email", "to", "card_number"})
_OF_TYPE = {
    name: frozenset(field for field, kind in event_type.fields.items() if kind.personal)
    for name, event_type in EVENT_TYPES.items()
}
PROFILES = (
    _OF_TYPE["registration_completed"]
    | _OF_TYPE["app_installed"]
    | {"attribute_texts", "attribute_numbers", "attribute_truths", "social", "undeliverable"}
)
"""What is hidden of a profile."""


def masked(row: Mapping[str, Any], personal: Collection[str] = PROFILES) -> dict[str, Any]:
    """A profile, or the body of an event with other `personal` fields, as it may be shown to anyone.

    >>> masked({"first_name": "Anna", "phone": "+79161234567", "attributes": {"pet": "Rex"}, "total": 5})
    {'first_name': 'A***', 'phone': '+7***67', 'attributes': {'pet': '***'}, 'total': 5}
    """
    return {name: _masked(name, value) if name in personal else value for name, value in row.items()}


def masked_event(event_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of an event as it may be shown; of a type that this release doesn't know, nothing."""
    return masked(body, _OF_TYPE.get(event_type, body.keys()))


def masked_activity(row: Mapping[str, Any]) -> dict[str, Any]:
    """An activity as it may be shown: of messages and webhooks nothing that was rendered, since it may name anyone."""
    shown = dict(row)
    if row["kind"] == "event":
        shown["body"] = masked_event(row["type"], row["body"])
    if row["kind"] == "dispatch":
        shown["to"] = mask(row["to"])
        shown["content"] = HIDDEN
    if row["kind"] == "webhook":
        shown["url"] = row["url"].partition("?")[0]
        shown["body"] = HIDDEN
    return shown


def _masked(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {key: _masked("to" if name == "undeliverable" else "", each) for key, each in value.items()}
    if name in _ADDRESSES:
        return mask(str(value))
    return f"{str(value)[:1]}{HIDDEN}" if name in _NAMES else HIDDEN
