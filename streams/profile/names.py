"""Names: trimmed, and cased where they are all capitals or all small letters.

A name with letters of both kinds is somebody's spelling (McDonald, van der Berg) and stays, one with digits too. A
capital follows a hyphen, a comma, a slash, a bracket or a quote, and an apostrophe only after a single letter: O'Neil,
D'Artagnan, but Мар'яна. Particles in the middle stay small.

Garbage: what has no letter is rejected; a name of a megabyte is cut (`streams.profile.texts`).
"""

import functools
import re

from streams.profile.findings import Checked, compare
from streams.profile.texts import TEXT_CHARS_MAX, clean_text

_WORD = re.compile(r"[^\s\-‐-―.,;/\\&+()\[\]{}<>\"“-‟«»]+")
"""Up to a blank, a hyphen, a stop or comma, a slash, a bracket or a quote that is no apostrophe."""
_PARTICLES = frozenset(
    ("al", "bin", "da", "das", "de", "del", "della", "den", "der", "di", "dos", "du", "el", "ibn", "la", "le", "les")
) | {"op", "ter", "van", "von", "y", "оглы", "кызы"}
_NUMERALS = frozenset({"ii", "iii", "iv", "vi", "vii", "viii"})
_APOSTROPHES = "'’ʼ`"


def check_name(text: str) -> Checked:
    """The name in the one format."""
    return _check(text[: TEXT_CHARS_MAX + 1])


@functools.lru_cache(maxsize=16384)
def _check(text: str) -> Checked:
    name = clean_text(text)
    if not any(character.isalpha() for character in name):
        return Checked(None, "rejected", "no_letters")
    coded = any(character.isdigit() for character in name)
    cased = name if coded or not (name.isupper() or name.islower()) else _cased(name)
    if cased != name:
        return Checked(cased, "changed", "case")
    return compare(text, name, "cut" if len(text) > TEXT_CHARS_MAX else "trim")


def _cased(name: str) -> str:
    first = True

    def case(found: re.Match[str]) -> str:
        nonlocal first
        word = found[0].lower().replace("i\u0307", "i")  # the small letter of the Turkish dotted capital
        at_start, first = first, False
        if word in _NUMERALS and not at_start:
            return word.upper()
        return word if word in _PARTICLES and not at_start else _capitalised(word)

    return _WORD.sub(case, name)


def _capitalised(word: str) -> str:
    if len(word) > 2 and word[1] in _APOSTROPHES:  # noqa: PLR2004 - a letter, the apostrophe, the rest
        return word[0].title() + word[1] + _capitalised(word[2:])
    head = word[0].title()  # of letters without capitals in use, as Georgian, the letter itself
    return (head if len(head) == 1 else word[0]) + word[1:]
