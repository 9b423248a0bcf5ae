"""Puts a record aside that cannot be handled, with where it came from and why; the rest of its batch goes on."""

import logging
from typing import Any

from schemas.codec import Codec
from schemas.dead_letters import encode_dead_letter

from streams import metrics
from streams.clock import Clock
from streams.runtime.transactions import Transaction
from streams.topics import DEAD_LETTERS

REASON_CHARACTERS_MAX = 2000

logger = logging.getLogger(__name__)


class DeadLetters:
    """Writes to `dead.letters` within the transaction of the batch."""

    def __init__(self, codec: Codec, stage: str, clock: Clock) -> None:
        self._codec = codec
        self._stage = stage
        self._clock = clock

    def produce(self, transaction: Transaction, record: Any, reason: str, *, key: bytes | None = None) -> None:
        """Add the dead letter of a consumed record; `key` says whose it is where the record's own key doesn't."""
        logger.warning(
            "%s: %s/%d offset %d put aside: %s",
            self._stage,
            record.topic,
            record.partition,
            record.offset,
            reason.splitlines()[0] if reason else "no reason given",
        )
        value = encode_dead_letter(
            self._codec,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=key if key is not None else record.key,
            value=record.value,
            reason=reason[:REASON_CHARACTERS_MAX],
            at=self._clock(),
        )
        transaction.produce(DEAD_LETTERS, value, key if key is not None else record.key)
        metrics.dead_letters.labels(self._stage).inc()
