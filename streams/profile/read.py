"""What registration, profile and binding events say of a person, by the rules of this folder: values and findings.

Each field is judged by itself and by the event alone, so that the same event is worth the same whoever it is about. But
how many attributes there is room for, the profile says.
Names of fields that an event doesn't have are missing in a registration only: other events bring what has changed.
"""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from streams.profile.addresses import check_address
from streams.profile.births import check_birth_date
from streams.profile.coordinates import zone_of_coordinates
from streams.profile.emails import check_email
from streams.profile.findings import Checked, Finding
from streams.profile.names import check_name
from streams.profile.phones import check_phone, zone_of_landline
from streams.profile.texts import clean_text
from streams.profile.zones import zone_of_address, zone_of_city

CHECKED_TYPES = frozenset({"registration_completed", "profile_updated", "phone_bound", "email_bound"})
"""The types of events whose fields are checked."""
Known = Callable[[str], bool]
"""Whether there is a time zone of that name."""

_NAMES = ("first_name", "middle_name", "last_name")
_EXPECTED = ("first_name", "last_name", "phone", "email", "birth_date", "gender", "city", "address")
ATTRIBUTES = "attributes"


def read_personal(
    event_type: str, body: Mapping[str, Any], on: date, region: str, *, known_zone: Known, attributes_left_out: int
) -> tuple[dict[str, Any], list[Finding]]:
    """What to keep of each field, None for what its rule rejects, and how good it was.

    `on` is the day of the event (UTC); `region` reads phones and addresses that don't name their country.
    """
    values: dict[str, Any] = {}
    findings: list[Finding] = []
    for field, check in _RULES.items():
        if field in body:
            value, outcome, rule, detail = check(body[field], on, region, known_zone)
            values[field] = value
            findings.append(Finding(field, outcome, rule, detail))
    if attributes_left_out:
        findings.append(too_many_attributes(attributes_left_out))
    elif body.get(ATTRIBUTES):
        findings.append(Finding(ATTRIBUTES, "valid"))
    if event_type == "registration_completed":
        findings += [Finding(field, "missing") for field in _EXPECTED if field not in body]
    return values, findings


def find_zone(
    city: str | None, attributes: Mapping[str, Any], address: str | None, phone: str | None, region: str
) -> tuple[str | None, str | None]:
    """The time zone of a member who doesn't say one, and what it was found by; None, None if nothing tells.

    City, coordinates, address, landline: the first that says something.
    """
    found = zone_of_city(city, region) if city else None
    if found is not None:
        return found, "city"
    found = zone_of_coordinates(attributes)
    if found is not None:
        return found, "coordinates"
    found = zone_of_address(address, region) if address else None
    if found is not None:
        return found, "address"
    found = zone_of_landline(phone) if phone else None
    return (found, "landline") if found is not None else (None, None)


def _plain(value: Any, _on: date, _region: str, _known_zone: Known) -> Checked:
    text = str(value)
    cleaned = clean_text(text)
    if not cleaned:
        return Checked(None, "rejected", "empty")
    return Checked(cleaned, "valid") if cleaned == text else Checked(cleaned, "changed", "trim")


def _city(value: Any, _on: date, region: str, _known_zone: Known) -> Checked:
    checked = _plain(value, _on, region, _known_zone)
    if checked.value is not None and zone_of_city(checked.value, region) is None:
        return Checked(checked.value, "doubtful", "unknown_city")
    return checked


def _zone(value: Any, _on: date, _region: str, known_zone: Known) -> Checked:
    text = str(value)
    name = text.strip()
    if not known_zone(name):
        return Checked(None, "rejected", "unknown_zone")
    return Checked(name, "valid") if name == text else Checked(name, "changed", "trim")


_RULES: Mapping[str, Callable[[Any, date, str, Known], Checked]] = {
    **dict.fromkeys(_NAMES, lambda value, _on, _region, _known: check_name(str(value))),
    "gender": _plain,
    "address": lambda value, _on, region, _known: check_address(str(value), region),
    "referrer_id": lambda value, _on, _region, _known: Checked(str(value), "valid"),
    "phone": lambda value, _on, region, _known: check_phone(str(value), region),
    "email": lambda value, _on, _region, _known: check_email(str(value)),
    "birth_date": lambda value, on, _region, _known: check_birth_date(value, on),
    "time_zone": _zone,
    "city": _city,
}


def too_many_attributes(left_out: int) -> Finding:
    """Tell how many attributes a profile had no room for."""
    return Finding(ATTRIBUTES, "changed", "too_many", str(left_out))
