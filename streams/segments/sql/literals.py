"""What a condition states, as literals of ClickHouse's SQL: nothing that was written in a campaign is ever run.

A text is quoted with everything escaped that could end it or be read as something else: backslash, quote, control
characters, and the brace that begins a parameter. So a statement can be printed, looked at and run as it stands.
"""

from collections.abc import Iterable

_ESCAPES = {ord("\\"): "\\\\", ord("'"): "\\'", ord("{"): "\\x7B", **{n: f"\\x{n:02X}" for n in (*range(32), 127)}}


def text(value: str) -> str:
    """A text. What UTF-8 has no bytes for, half a pair of surrogates, becomes a question mark: no member has it."""
    return f"'{value.encode(errors='replace').decode().translate(_ESCAPES)}'"


def texts(values: Iterable[str]) -> str:
    """A list of texts in brackets, for `IN`; it mustn't be empty."""
    return f"({', '.join(map(text, values))})"
