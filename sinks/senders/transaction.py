"""The one transaction of a sender's cycle: ledger, statuses, dead letters and offsets together, or none of them."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from schemas.codec import Codec
from schemas.dead_letters import encode_dead_letter, key_of_letter
from sinks.senders.hand_over import Outcome
from sinks.senders.statuses import TOPIC as STATUSES_TOPIC
from sinks.senders.statuses import status
from streams import metrics
from streams.errors import RekindleError
from streams.kafka import REACH_SECONDS, SENDS_OFFSETS, Kafka

TIMEOUT_MS = 20_000

Entries = Mapping[int, Mapping[str, bytes | None]]
"""Entries of the ledger by partition and dispatch id; None for one that is given back."""


@dataclass(slots=True)
class Letter:
    """A record that cannot be read, on its way to dead.letters."""

    message: Message
    partition: int
    offset: int
    reason: str

    @property
    def place(self) -> tuple[int, int]:
        """Partition and offset."""
        return self.partition, self.offset


def place_of(message: Message) -> tuple[int, int]:
    """Tell partition and offset of a message that came from Kafka or was acknowledged by it."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


class Transactions:
    """The transactional producer of one sender process. `group` is its consumer group, `topic` what it reads.

    Whoever comes with the same `identity` ends what this one left open.
    """

    def __init__(
        self, kafka: Kafka, codec: Codec, *, group: str, identity: str | None, topic: str, ledger_topic: str
    ) -> None:
        self._codec = codec
        self._topic = topic
        self._ledger_topic = ledger_topic
        self._producer = kafka.producer(
            {
                "transactional.id": f"{group}-{identity or uuid.uuid4().hex}",
                "transaction.timeout.ms": TIMEOUT_MS,
                **SENDS_OFFSETS,
                "linger.ms": 0,
            }
        )

    def open(self) -> None:
        """Abort what an earlier process of the same name left open. Raises `RekindleError`."""
        try:
            self._producer.init_transactions(REACH_SECONDS * 3)
        except KafkaException as error:
            raise RekindleError(f"Kafka: no transactions: {error.args[0].str()}") from error

    def commit(
        self,
        entries: Entries,
        outcomes: Sequence[Outcome],
        letters: Sequence[Letter],
        positions: list[TopicPartition],
        group_metadata: Any,
    ) -> dict[int, int]:
        """Commit all of it; returns the offset behind the last entry of each partition of the ledger.

        Raises `KafkaException`; then `abort` must follow, and nothing of it was done.
        """
        ends: dict[int, int] = {}

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None:
                partition, offset = place_of(message)
                ends[partition] = max(ends.get(partition, 0), offset + 1)

        produce = self._producer.produce
        self._producer.begin_transaction()
        for partition, states in entries.items():
            for dispatch_id, state in states.items():
                key = dispatch_id.encode()
                produce(self._ledger_topic, key=key, value=state, partition=partition, on_delivery=delivered)
        for outcome in outcomes:
            for kind, reason in outcome.statuses:
                event = status(outcome.claim.dispatch, kind, at=outcome.at, reason=reason)
                value = self._codec.encode(event)
                produce(STATUSES_TOPIC, key=event.key.encode(), value=value, timestamp=event.occurred_at)
        for letter in letters:
            self._produce_letter(letter)
        self._producer.send_offsets_to_transaction(positions, group_metadata, REACH_SECONDS)
        self._producer.commit_transaction(REACH_SECONDS)
        return ends

    def abort(self) -> None:
        """Abort the transaction that failed. Raises `RekindleError` if not even that succeeds."""
        try:
            self._producer.abort_transaction(REACH_SECONDS)
        except KafkaException as error:
            raise RekindleError(f"Kafka: a transaction cannot be aborted: {error.args[0].str()}") from error

    def _produce_letter(self, letter: Letter) -> None:
        message = letter.message
        at = message.timestamp()[1]
        value = encode_dead_letter(
            self._codec,
            topic=self._topic,
            partition=letter.partition,
            offset=letter.offset,
            key=message.key(),
            value=message.value(),
            reason=letter.reason,
            at=at,
        )
        self._producer.produce("dead.letters", key=key_of_letter(message.key()), value=value, timestamp=at)
        metrics.dead_letters.labels("sender").inc()
