"""Texts as they may be kept: composed characters, no control characters, single spaces, of a bounded length.

Garbage: control characters, half surrogates (a JSON file can hold them, UTF-8 can't) and what isn't assigned go; a text
of a megabyte is cut before anything else is done with it, so that it costs no more than one of `TEXT_CHARS_MAX`.
"""

import unicodedata

TEXT_CHARS_MAX = 1_000
_GONE = frozenset({"Cc", "Cs", "Cn", "Co"})
_INVISIBLE = frozenset("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff\u00ad")


def clean_text(text: str) -> str:
    """The text trimmed, with single spaces, composed (NFC), at most `TEXT_CHARS_MAX` characters; may be empty."""
    text = text[:TEXT_CHARS_MAX]
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    kept = "".join(
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFC", text)
        if character.isspace() or (character not in _INVISIBLE and unicodedata.category(character) not in _GONE)
    )
    return " ".join(kept.split())[:TEXT_CHARS_MAX]
