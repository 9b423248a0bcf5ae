"""What an event is identified by besides a member id: names such as `visitor:v1`, in the contract's order.

A name is the key of a link, and of the stranger's own state while there is no link. So the same phone, however it is
written, has one name, by its E.164; an e-mail's is by its lower case, because nobody has two mailboxes that differ by
case, and by its domain in Unicode, the ASCII notation (xn--…) being the same. Cards and visitors are opaque: only
blanks around them go.

Names are keys of the log, which outlives an erasure: of a phone or an e-mail they hold the hash, never itself. It is a
pseudonym: who has a list of phones can tell which of them are there, but nobody reads one off it. With a secret, which
an installation derives from its master key (`streams.sealing.master`), it is an HMAC-SHA256 and of cards, too: without
the secret nobody can tell anything. Visitors' cookies are random already, and receipts name nobody; they stay.

What comes back of a message to a stranger (a delivery status, a complaint, a click on its link) has the hash in place
of what it was made of, which the sender doesn't know. So where an event is looked up by what it says, a hash is taken
for the name that it is of. It links nothing: whoever reads a name off the log takes over nobody's link by giving it.

Garbage: an empty text names nothing, nor does a phone or an e-mail that its rule rejects or a phone that is a
placeholder (people type "no" or zeros into a field that must be filled, and all of them would be one person), nor a
visitor id or a card number that a program writes where it has none ("undefined", a card of zeros). A text beyond
`ID_CHARS_MAX` is known by its hash: names are keys of tables and of Kafka's records.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from streams.profile.emails import mailbox
from streams.profile.phones import identifying_phone

ID_CHARS_MAX = 200
"""Of a card number, a visitor id or a receipt's number as part of a key."""

HEADER = ("visitor_id", "card_number")
CONTACTS = ("phone", "email")
EVERY = (*HEADER, *CONTACTS)
KEYED = "~"
"""Begins what stands in a name for a text that was hashed with a secret."""
_HASHED = {"card_number": "card", "phone": "phone", "email": "email"}
_PERSONAL = frozenset(_HASHED.values())
_HASH = re.compile("[0-9a-f]{32}")
_KEYED_HASH = re.compile(f"{KEYED}[0-9a-f]{{32}}")
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "nil", "nan", "none", "n/a", "-", "[object object]", "00000000-0000-0000-0000-000000000000"}
)
"""What programs write as the id of a visitor or a card where there is none, in small letters: all who have none."""


class Naming(NamedTuple):
    """How names are made: `region` reads phones without a country code, `secret` keys the hashes if there is one."""

    region: str
    secret: bytes = b""


def names(
    body: Mapping[str, Any], naming: Naming, fields: Iterable[str] = EVERY, *, looked_up: bool = False
) -> list[str]:
    """The names that these fields of an event give, in their order.

    `looked_up`: they only say whose the event is, and link nothing, so that a hash is taken for the name that it is of.
    """
    found = []
    for field in fields:
        value = body.get(field)
        if value:
            text = str(value)
            name = (looked_up and _told_back(field, text, naming.secret)) or _named(field, text, naming)
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


def own_name(key: str, secret: bytes) -> str:
    """The name of a stranger who gave nothing that can be linked: what the event goes by, with a secret hashed."""
    kind, _, text = key.partition(":")
    if secret and text and kind in _PERSONAL and not _KEYED_HASH.fullmatch(text):
        return f"{kind}:{pseudonym(text, secret)}"
    return shortened(key)


def pseudonym(text: str, secret: bytes = b"") -> str:
    """What stands for a phone, an e-mail or a card in keys: 128 bits of its SHA-256, with a secret of an HMAC."""
    data = text.encode(errors="surrogatepass")
    if secret:
        return KEYED + hmac.digest(secret, data, "sha256")[:16].hex()
    return hashlib.sha256(data).hexdigest()[:32]


def _told_back(field: str, text: str, secret: bytes) -> str | None:
    kind, text = _HASHED.get(field), text.strip()
    return f"{kind}:{text}" if kind and (_KEYED_HASH if secret else _HASH).fullmatch(text) else None


def _named(field: str, text: str, naming: Naming) -> str | None:
    region, secret = naming
    match field:
        case "visitor_id":
            return None if text.strip().lower() in _PLACEHOLDERS else _opaque("visitor", text)
        case "card_number":
            text = text.strip()
            if not text.strip("0") or text.lower() in _PLACEHOLDERS:
                return None
            return f"card:{pseudonym(text, secret)}" if secret else _opaque("card", text)
        case "phone":
            number = identifying_phone(text, region)
            return None if number is None else f"phone:{pseudonym(number, secret)}"
        case _:
            address = mailbox(text)
            return None if address is None else f"email:{pseudonym(address, secret)}"


def _opaque(kind: str, text: str) -> str | None:
    text = text.strip()
    return f"{kind}:{shortened(text)}" if text else None
