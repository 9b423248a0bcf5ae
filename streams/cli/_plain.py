"""What others wrote (members, visitors, gateways), fit to stand on a terminal."""

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def plain(text: str) -> "Text":
    """Give a text that is taken as it stands: no markup, no signs that a terminal obeys."""
    from rich.text import Text

    return Text(harmless(text))


def harmless(text: str) -> str:
    r"""Write control characters out.

    >>> harmless("a\x1b]0;title\x07\nb")
    'a\\x1b]0;title\\x07\nb'
    """
    if text.isprintable():
        return text
    return "".join(
        f"\\x{ord(each):02x}" if each not in "\n\t" and unicodedata.category(each) == "Cc" else each for each in text
    )
