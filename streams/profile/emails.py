"""E-mails, checked for syntax only (contract, fine print); a domain that looks like a typing error is told.

The address is never corrected: whoever owns gmial.com would get what was meant for someone else, or nobody would.

A domain in other letters than Latin ones has two notations, Unicode and ASCII (IDNA: xn--…). The one that was given is
kept; by `mailbox` both are one.

Garbage: what isn't an address by its syntax is rejected, whatever its length.
"""

import functools

from email_validator import EmailNotValidError, ValidatedEmail, validate_email

from streams.profile.findings import Checked, compare

_CHARS_MAX = 400
"""Longer than any address (RFC 5321: 254) with spaces around it."""
_WELL_KNOWN = (
    *("gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "live.com", "icloud.com", "aol.com"),
    *("yandex.ru", "mail.ru", "inbox.ru", "list.ru", "rambler.ru", "ukr.net", "protonmail.com", "comcast.net"),
    *("t-online.de", "hotmail.fr", "orange.fr", "wanadoo.fr", "verizon.net"),
)
_TRUE_NEIGHBOURS = frozenset(
    {"mail.com", "email.com", "ymail.com", "gmx.com", "mail.de", "mail.kz", "mail.ua", "mail.by", "yandex.by"}
    | {"yandex.kz", "yandex.ua", "gmx.at", "gmx.ch", "yahoo.co", "list.lu", "live.ru", "live.de", "live.fr", "live.it"}
    | {"hotmail.it", "hotmail.es", "hotmail.de", "yahoo.de", "yahoo.fr", "yahoo.es", "yahoo.it", "bk.ru", "mac.com"}
    | {"proton.me", "pm.me", "web.com", "mail.pl", "mail.cz", "mail.bg", "mail.ee", "mail.lv", "mail.lt", "mail.fr"}
)
"""Providers that differ from a well-known one in a letter or two."""
_DOMAIN_CHARS_MIN = 7
"""A shorter domain is one letter away from too many others."""


def normalise_email(text: str) -> str | None:
    """The address with its domain in lower case; None if its syntax cannot be an address."""
    address: str | None = check_email(text).value
    return address


def mailbox(text: str) -> str | None:
    """What the address is the same as: in small letters, its domain in Unicode; None if its syntax cannot be one."""
    address = normalise_email(text)
    if address is not None and "xn--" in address:
        address = validated(address).normalized
    return None if address is None else address.lower()


def check_email(text: str) -> Checked:
    """The address; `detail` is the well-known domain that was probably meant."""
    if len(text) > _CHARS_MAX:
        return Checked(None, "rejected", "too_long")
    return _check(text)


@functools.lru_cache(maxsize=65536)
def _check(text: str) -> Checked:
    given = text.strip()
    try:
        found = validated(given)
    except EmailNotValidError:
        return Checked(None, "rejected", "syntax")
    in_ascii = given.rpartition("@")[2].isascii()
    address = f"{found.local_part}@{found.ascii_domain}" if in_ascii else found.normalized
    meant = _meant(found.domain)
    if meant is not None:
        return Checked(address, "doubtful", "domain_typo", meant)
    return compare(text, address, "domain_case" if given == text else "trim")


def validated(address: str) -> ValidatedEmail:
    """Take the address apart by its syntax alone. Raises `EmailNotValidError`."""
    return validate_email(address, check_deliverability=False, allow_smtputf8=True, test_environment=True)


@functools.lru_cache(maxsize=16384)
def _meant(domain: str) -> str | None:
    """The well-known domain from which this one differs by one typing error."""
    if len(domain) < _DOMAIN_CHARS_MIN or domain in _WELL_KNOWN or domain in _TRUE_NEIGHBOURS:
        return None
    return next((known for known in _WELL_KNOWN if len(known) >= _DOMAIN_CHARS_MIN and _one_slip(domain, known)), None)


def _one_slip(one: str, other: str) -> bool:
    """Whether a letter too many, too few or wrong, or two that changed places, make one into the other."""
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    swapped = len(one) == len(other) == 2 and one == other[::-1]  # noqa: PLR2004 - two that changed places
    return swapped or (len(one) <= 1 and len(other) <= 1)
