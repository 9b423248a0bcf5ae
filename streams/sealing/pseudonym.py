"""Keys of strangers' states without the phone, e-mail or card that they are known by.

A stranger's state is kept under the name that the stranger gave (`phone:+7916…`), and its key is the Kafka key of
records that stay for two years, where nothing can be sealed. So in its place stands a keyed hash (HMAC-SHA256, 128 bits
of it): the same for the same name, and nobody without the master key comes from one to the other. Visitors' cookies are
random already, and receipts name nobody; they stay.

The hash hangs on the last of the master keys, the oldest, which stays when another is put in front.
"""

import hashlib
import hmac
from functools import lru_cache

KINDS = frozenset({"phone", "email", "card"})
REMEMBERED = 100_000
_MARK = "~"


class Pseudonyms:
    """Turns keys of states into what may stand in the log."""

    def __init__(self, secret: bytes) -> None:
        """Take the oldest master key."""
        self._secret = hashlib.sha256(b"rekindle pseudonyms" + secret).digest()
        self.of = lru_cache(REMEMBERED)(self._of)

    def _of(self, key: str) -> str:
        """Return the key itself unless it is made of a phone, an e-mail or a card; of a pseudonym, the pseudonym."""
        kind, _, name = key.partition(":")
        if kind not in KINDS or not name or name.startswith(_MARK):
            return key
        hashed = hmac.digest(self._secret, key.encode(), "sha256")[:16]
        return f"{kind}:{_MARK}{hashed.hex()}"
