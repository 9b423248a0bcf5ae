"""Phones to E.164, by the numbering plans of `phonenumbers`; kind and operator where the number says so.

Garbage: letters are refused (the library would read them as a keypad does), and so is what is longer than any phone.
A number must be of a possible length for its country, with its area code, else it is rejected: 123-45-67 is another
phone in each town. One of the right length that its country's plan doesn't have is taken and reported. If its digits
are all the same or a sequence it was typed to fill a field, and says nothing of who somebody is. Whether a number is in
service only a gateway can tell.

The operator is the one that the number was given out to: numbers move to others with their owners.
"""

import functools

import phonenumbers
from phonenumbers import PhoneNumberType, ValidationResult, carrier, timezone

from streams.profile.findings import Checked, compare

_CHARS_MAX = 60
_SEQUENCE = "01234567890123456789"
_ZONES = {
    "+7401": "Europe/Kaliningrad",
    "+5581": "America/Recife",
    "+212": "Africa/Casablanca",
    "+213": "Africa/Algiers",
    "+218": "Africa/Tripoli",
    "+505": "America/Managua",
}
"""Areas of which the library names the zone of another country, or of an island far away, whose clocks are others."""
_KINDS = {
    PhoneNumberType.FIXED_LINE: "landline",
    PhoneNumberType.MOBILE: "mobile",
    PhoneNumberType.TOLL_FREE: "toll_free",
    PhoneNumberType.PREMIUM_RATE: "premium_rate",
    PhoneNumberType.VOIP: "voip",
}


def normalise_phone(text: str, region: str) -> str | None:
    """The number in E.164, read as one of `region` unless it says its country; None if it cannot be a phone."""
    number: str | None = check_phone(text, region).value
    return number


def identifying_phone(text: str, region: str) -> str | None:
    """The number in E.164 if it says who somebody is; None also for what people type to fill a field."""
    checked = check_phone(text, region)
    number: str | None = None if checked.rule == "placeholder" else checked.value
    return number


def check_phone(text: str, region: str) -> Checked:
    """The number in E.164; its kind and operator in `detail`."""
    if len(text) > _CHARS_MAX:
        return Checked(None, "rejected", "too_long")
    return _check(text, region)


@functools.lru_cache(maxsize=65536)
def _check(text: str, region: str) -> Checked:
    if any(character.isalpha() for character in text):
        return Checked(None, "rejected", "letters")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return Checked(None, "rejected", "not_a_number")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible != ValidationResult.IS_POSSIBLE:
        is_local = possible == ValidationResult.IS_POSSIBLE_LOCAL_ONLY
        return Checked(None, "rejected", "local_only" if is_local else "impossible_length")
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    kind = phonenumbers.number_type(number)
    if kind == PhoneNumberType.UNKNOWN:
        national = phonenumbers.national_significant_number(number)
        is_typed_to_fill = len(set(national)) == 1 or national in _SEQUENCE
        return Checked(written, "doubtful", "placeholder" if is_typed_to_fill else "not_in_plan")
    operator = carrier.name_for_valid_number(number, "en") if kind == PhoneNumberType.MOBILE else ""
    return compare(text, written, "e164", " ".join(filter(None, (_KINDS.get(kind, "other"), operator))))


@functools.lru_cache(maxsize=65536)
def zone_of_landline(phone: str) -> str | None:
    """The IANA zone of a landline's area (E.164); None for any other number, and where an area has several zones.

    A mobile number says its country at most, and a large country has many zones: every Russian one has sixteen.
    """
    number = phonenumbers.parse(phone)
    if phonenumbers.number_type(number) != PhoneNumberType.FIXED_LINE:
        return None
    for area, zone in _ZONES.items():
        if phone.startswith(area):
            return zone
    zones = timezone.time_zones_for_number(number)
    return zones[0] if len(zones) == 1 and zones[0] != timezone.UNKNOWN_TIMEZONE else None
