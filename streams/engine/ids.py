"""Ids and shares are derived, never drawn: a rerun of the log yields the same ones.

Contract §4.9 (ids) and "Stable hash" in the fine print (shares).
"""

import hashlib
from decimal import Decimal

import msgspec

_SPAN = Decimal(2**64)


def derived_id(*parts: str | int) -> str:
    """A hash of the parts, in order: 32 hexadecimal digits."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def share(text: str) -> Decimal:
    """Where `text` falls from 0 up to, not including, 100: SHA-256's first 8 bytes as a big-endian number over 2⁶⁴."""
    return _share(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def _share(number: int) -> Decimal:
    return Decimal(number) / _SPAN * 100


class Share:
    """Whose share falls below a percentage: that of texts with one beginning, without reckoning in decimals."""

    __slots__ = ("_begun", "_below")

    def __init__(self, beginning: str, percent: Decimal) -> None:
        self._begun = hashlib.sha256(f"{beginning}/".encode())
        first, above = 0, 2**64  # the first number whose share isn't below: shares rise with their numbers
        while first < above:
            middle = (first + above) // 2
            if _share(middle) < percent:
                first = middle + 1
            else:
                above = middle
        self._below: bytes = first.to_bytes(9, "big")

    @property
    def limit(self) -> int:
        """The first number of 64 bits whose share isn't below the percentage; 2⁶⁴ if all are."""
        return int.from_bytes(self._below, "big")

    def holds(self, member: str) -> bool:
        """Whether the share of the beginning, a slash and `member` is below the percentage."""
        digest = self._begun.copy()
        digest.update(member.encode())
        return b"\0" + digest.digest()[:8] < self._below


def share_below(beginning: str, percent: Decimal) -> Share | None:
    """Who falls below the percentage; None: nobody."""
    return Share(beginning, percent) if percent else None


def seen_key(source: str, event_id: str) -> int:
    """What the deduplication remembers of an event: 63 bits of a hash, for a member's events of one week."""
    begun = _BEGUN.get(source)
    if begun is None:
        begun = hashlib.blake2b(f"{source}\0".encode(), digest_size=8)
        if len(_BEGUN) < _SOURCES_KEPT_MAX:
            _BEGUN[source] = begun
    digest = begun.copy()
    digest.update(event_id.encode())
    return int.from_bytes(digest.digest(), "big") >> 1


_BEGUN: "dict[str, hashlib.blake2b]" = {}
_SOURCES_KEPT_MAX = 100
