"""Puts a record aside that cannot be handled, with where it came from and why; the rest of its batch goes on."""

import logging
from typing import Any

from schemas.codec import Codec
from schemas.dead_letters import encode_dead_letter, key_of_letter
from streams import metrics
from streams.clock import Clock
from streams.runtime.transactions import Transaction
from streams.topics import DEAD_LETTERS

LOG_EVERY_MS = 1000

logger = logging.getLogger(__name__)


class DeadLetters:
    """Writes to `dead.letters` within the transaction of the batch."""

    def __init__(self, codec: Codec, stage: str, clock: Clock) -> None:
        self._codec = codec
        self._stage = stage
        self._clock = clock
        self._logged_until = 0
        self._unlogged = 0

    def produce(self, transaction: Transaction, record: Any, reason: str, *, key: bytes | None = None) -> None:
        """Add the dead letter of a consumed record; `key` says whose it is where the record's own key doesn't."""
        self._log(record, reason)
        key = key if key is not None else record.key
        value = encode_dead_letter(
            self._codec,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=key,
            value=record.value,
            reason=reason,
            at=self._clock(),
        )
        transaction.produce(DEAD_LETTERS, value, key_of_letter(key))
        metrics.dead_letters.labels(self._stage).inc()

    def _log(self, record: Any, reason: str) -> None:
        """Log one in a second: a thousand bad records must not drown everything else that is said."""
        now = self._clock()
        if now < self._logged_until:
            self._unlogged += 1
            return
        place = f"{record.topic}/{record.partition} offset {record.offset}"
        first_line = reason.splitlines()[0] if reason else "no reason given"
        more = f" (and {self._unlogged} since the last such line)" if self._unlogged else ""
        logger.warning("%s: %s put aside: %s%s", self._stage, place, first_line, more)
        self._logged_until, self._unlogged = now + LOG_EVERY_MS, 0
