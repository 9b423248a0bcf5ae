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
    return Decimal(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")) / _SPAN * 100


def seen_key(source: str, event_id: str) -> int:
    """What the deduplication remembers of an event: 63 bits of a hash, for a member's events of one week."""
    digest = hashlib.blake2b(f"{source}\0{event_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
