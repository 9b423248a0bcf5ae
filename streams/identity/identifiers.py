"""What an event is identified by besides a member id: names such as `visitor:v1`, in the contract's order.

A name is the key of a link, and of the stranger's own state while there is no link. So the same phone, however it is
written, has one name, by its E.164; an e-mail's is by its lower case, because nobody has two mailboxes that differ by
case. Cards and visitors are opaque: only blanks around them go.

Names are keys of the log, which outlives an erasure: of a phone or an e-mail they hold the hash, never itself. It is a
pseudonym: who has a list of phones can tell which of them are there, but nobody reads one off it.

Garbage: an empty text names nothing, nor does a phone or an e-mail that its rule rejects (people type "no" into a
field that must be filled, and all of them would be one person). A text beyond `ID_CHARS_MAX` is known by its hash:
names are keys of tables and of Kafka's records.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from streams.profile.emails import normalise_email
from streams.profile.phones import normalise_phone

ID_CHARS_MAX = 200
"""Of a card number, a visitor id or a receipt's number as part of a key."""

HEADER = ("visitor_id", "card_number")
CONTACTS = ("phone", "email")
EVERY = (*HEADER, *CONTACTS)


def names(body: Mapping[str, Any], region: str, fields: Iterable[str] = EVERY) -> list[str]:
    """The names that these fields of an event give, in their order; `region` reads phones without a country code."""
    found = []
    for field in fields:
        value = body.get(field)
        if value:
            name = _named(field, str(value), region)
            if name is not None:
                found.append(name)
    return found


def receipt_name(body: Mapping[str, Any]) -> str | None:
    """The name of a receipt of somebody unknown."""
    value = body.get("receipt_id")
    return _opaque("receipt", str(value)) if value else None


def shortened(text: str) -> str:
    """The text, or its hash if it is too long for a key."""
    if len(text) <= ID_CHARS_MAX:
        return text
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def pseudonym(text: str) -> str:
    """What stands for a phone or an e-mail in keys: 128 bits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _named(field: str, text: str, region: str) -> str | None:
    match field:
        case "visitor_id":
            return _opaque("visitor", text)
        case "card_number":
            return _opaque("card", text)
        case "phone":
            number = normalise_phone(text, region)
            return None if number is None else f"phone:{pseudonym(number)}"
        case _:
            address = normalise_email(text)
            return None if address is None else f"email:{pseudonym(address.lower())}"


def _opaque(kind: str, text: str) -> str | None:
    text = text.strip()
    return f"{kind}:{shortened(text)}" if text else None
