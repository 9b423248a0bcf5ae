"""Records that could not be handled: kept with origin, reason and bytes, so that they can be sent again.

Of a record that is larger than a dead letter may be its beginning is kept, and the reason says so.
"""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from schemas.codec import Codec

REASON_CHARACTERS_MAX = 2_000
KEY_BYTES_MAX = 1_024
VALUE_BYTES_MAX = 1_048_576 - 16_384
"""Of the record's value. With key (twice), reason and origin a dead letter has no more than 1 MiB then: what Kafka
takes by default, and what is read of a record at all."""


class DeadLetter(msgspec.Struct, kw_only=True):
    """A record that could not be handled. `at` is in milliseconds since the epoch."""

    at: int
    topic: str
    partition: int
    offset: int
    reason: str
    key: bytes | None = None
    value: bytes | None = None


def encode_dead_letter(
    codec: "Codec",
    *,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    reason: str,
    at: int,
) -> bytes:
    """Encode a dead letter; `topic`, `partition` and `offset` are where the record came from, `at` is in ms."""
    reason = reason[:REASON_CHARACTERS_MAX]
    for name, data, bytes_max in (("value", value, VALUE_BYTES_MAX), ("key", key, KEY_BYTES_MAX)):
        if data is not None and len(data) > bytes_max:
            reason += f" (kept: {bytes_max} of {len(data)} bytes of the {name})"
    return codec.encode(
        DeadLetter(
            at=at,
            topic=topic,
            partition=partition,
            offset=offset,
            reason=reason,
            key=key_of_letter(key),
            value=None if value is None else value[:VALUE_BYTES_MAX],
        )
    )


def key_of_letter(key: bytes | None) -> bytes | None:
    """Return the key of a dead letter: the record's, as far as there is room."""
    return None if key is None else key[:KEY_BYTES_MAX]
