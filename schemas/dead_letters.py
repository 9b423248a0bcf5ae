"""Records that could not be handled: kept with origin, reason and bytes, so that they can be sent again."""

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from schemas.codec import Codec

REASON_CHARACTERS_MAX = 2_000


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
    return codec.encode(
        DeadLetter(
            at=at,
            topic=topic,
            partition=partition,
            offset=offset,
            reason=reason[:REASON_CHARACTERS_MAX],
            key=key,
            value=value,
        )
    )
