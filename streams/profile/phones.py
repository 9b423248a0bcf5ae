"""Phones to E.164, by the numbering plans of `phonenumbers`."""

import phonenumbers


def normalise_phone(text: str, region: str) -> str | None:
    """The number in E.164, read as one of `region` unless it says its country; None if it cannot be a phone.

    Letters are refused (the library would read them as a keypad does). A number must be of a possible length for its
    country; whether it is in service only a gateway can tell.
    """
    if any(character.isalpha() for character in text):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
