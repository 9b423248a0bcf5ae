"""What sealing does to an event on its way into the log: `seal_event` is called wherever one is appended.

Personal events are sealed. A `member_erased` never is, or a replay would miss it; it ends the owner's key instead, and
what it says of phone, e-mail or card stays out of the log: whose it is, its Kafka key says.
"""

from collections.abc import Callable
from typing import NamedTuple

from schemas.codec import Codec, Header
from streams.engine.events import Event
from streams.runtime.transactions import Transaction
from streams.sealing.sealer import Sealer

ERASED = "member_erased"


class Sealing(NamedTuple):
    """What is to be done: seal it, or, with `erasure`, end the owner's key and put this into the log."""

    erasure: Event | None = None


_SEAL = Sealing()


def sealing_of(header: Header) -> Sealing | None:
    """Say what sealing does to an event; None for nothing."""
    if header.type == ERASED:
        event = Event(
            event_id=header.event_id,
            type=header.type,
            occurred_at=header.occurred_at,
            source=header.source,
            key=header.key,
            member_id=header.member_id,
            historical=header.historical,
        )
        return Sealing(event)
    return _SEAL if header.personal else None


def seal_event(
    sealer: Sealer | None,
    codec: Codec,
    transaction: Transaction,
    partition: int,
    owner: bytes,
    value: bytes,
    sealing: Sealing | None,
    is_over: Callable[[], bool],
) -> bytes:
    """Return what goes into the log of a partition in place of an event's bytes.

    `is_over` tells whether it is of the time before the owner was erased: then it is to be read once, to be handled.
    """
    if sealing is None or sealer is None:
        return value
    if sealing.erasure is None:
        seal = sealer.seal_apart if is_over() else sealer.seal
        return seal(transaction, partition, owner, value)
    return sealer.end(transaction, partition, owner, codec.encode(sealing.erasure))
