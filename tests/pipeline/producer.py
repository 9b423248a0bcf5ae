"""The producer of confluent_kafka over the log in memory: the calls that the pipeline makes, with the same errors.

Records are gathered and sent in portions, at the latest before the transaction is decided. A producer that learns that
its epoch is over stays dead; a failure inside of a transaction leaves nothing but to abort it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from streams.ingest.partitions import partition_of
from tests.pipeline.groups import Refused
from tests.pipeline.log import Headers, Log, Place
from tests.pipeline.network import Lost, Network

MESSAGE_BYTES_MAX = 1_000_000
"""What the client sends at most if its configuration doesn't say (`message.max.bytes`)."""
RECORD_BYTES, HEADER_BYTES = 36, 2
"""What the client reckons for a record besides key, value and headers, and for a header besides name and value."""
_FENCED = frozenset({KafkaError.INVALID_PRODUCER_EPOCH})
_Delivery = Callable[[KafkaError | None, Message], None]
_Item = tuple[bytes | None, bytes | None, int, Headers, _Delivery | None]
"""Key, value, timestamp (ms), headers, and whom to tell."""


def failure(code: int, **flags: bool) -> KafkaException:
    """Make an exception as the client raises it."""
    return KafkaException(KafkaError(code, KafkaError(code).str(), **flags))


def timed_out() -> KafkaException:
    """Make the exception of a request without an answer."""
    return failure(KafkaError._TIMED_OUT, retriable=True)


def decode_group_metadata(data: bytes) -> tuple[str, int, str, str | None]:
    """Read group, generation, member and instance as librdkafka writes them."""
    prefix = b"CGMDv2:"
    assert data.startswith(prefix)
    generation = int.from_bytes(data[len(prefix) : len(prefix) + 4], "little", signed=True)
    group, member, rest = data[len(prefix) + 4 :].split(b"\0", 2)
    instance = None if rest[:1] == b"\1" else rest[1:-1].decode()
    return group.decode(), generation, member.decode(), instance


class MemoryProducer:
    """Idempotent, and transactional where the configuration names a transactional id."""

    def __init__(self, log: Log, network: Network, config: Mapping[str, Any]) -> None:
        self._log = log
        self._network = network
        self._id: str | None = config.get("transactional.id")
        self._timeout_ms = int(config.get("transaction.timeout.ms", 60_000))
        self._bytes_max = int(config.get("message.max.bytes", MESSAGE_BYTES_MAX))
        self._epoch: int | None = None
        self._in_transaction = False
        self._has_sent = False
        self._committing = False
        self._fatal: KafkaException | None = None
        self._spoilt: KafkaException | None = None  # why the transaction can only be aborted
        self._gathered: list[tuple[Place, _Item]] = []
        self._round_robin = 0

    def __len__(self) -> int:
        return len(self._gathered)

    def init_transactions(self, timeout: float = -1) -> None:
        """Take the transactional id over."""
        assert self._id is not None
        transactional_id = self._id
        self._epoch = self._request(
            "init_transactions", lambda: self._log.init_producer(transactional_id, self._timeout_ms)
        )

    def begin_transaction(self) -> None:
        """Begin; the broker hears of it with the first record."""
        self._check(self._epoch is not None and not self._in_transaction)
        self._in_transaction, self._has_sent, self._committing, self._spoilt = True, False, False, None

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: _Delivery | None = None,
        timestamp: int = 0,
        headers: Headers = (),
    ) -> None:
        """Gather a record, and send if there are many."""
        self._check(self._id is None or self._in_transaction)
        counts = self._log.counts()
        if topic not in counts:
            raise failure(KafkaError._UNKNOWN_TOPIC)
        own = sum(HEADER_BYTES + len(name) + len(content) for name, content in headers)
        if RECORD_BYTES + len(key or b"") + len(value or b"") + own > self._bytes_max:
            raise failure(KafkaError.MSG_SIZE_TOO_LARGE)
        if partition < 0:
            partition = self._choose_partition(key, counts[topic])
        self._gathered.append(((topic, partition), (key, value, timestamp, headers, on_delivery)))
        if len(self._gathered) >= self._network.batch_records:
            self._send()

    def produce_batch(self, topic: str, messages: Sequence[dict[str, Any]], *, partition: int) -> int:
        """Gather records for one partition; returns how many were taken, and notes at the others why they weren't."""
        taken = 0
        for message in messages:
            try:
                self.produce(topic, message["value"], message["key"], partition)
                taken += 1
            except KafkaException as error:
                message["_error"] = error.args[0]
        return taken

    def _choose_partition(self, key: bytes | None, count: int) -> int:
        if key is not None:
            return partition_of(key, count)
        self._round_robin += 1
        return self._round_robin % count

    def poll(self, timeout: float = 0) -> int:
        """Send what was gathered."""
        self._send()
        return 0

    def flush(self, timeout: float = -1) -> int:
        """Send what was gathered; returns how many are left."""
        self._send()
        return len(self._gathered)

    def send_offsets_to_transaction(
        self, positions: Sequence[TopicPartition], group: bytes, timeout: float = -1
    ) -> None:
        """Make offsets part of the transaction."""
        self._check(self._in_transaction)
        self._raise_if_spoilt()  # records may still be on their way, as with the real client
        name, *member = decode_group_metadata(group)
        offsets = {(each.topic, each.partition): (each.offset, each.metadata or "") for each in positions}
        epoch = self._epoch or 0
        try:
            self._request(
                "send_offsets",
                lambda: self._log.add_offsets(str(self._id), epoch, name, tuple(member), offsets),  # type: ignore[arg-type]
            )
        except KafkaException as error:
            if not error.args[0].fatal() and not error.args[0].retriable():
                self._spoilt = error
            raise
        self._has_sent = True

    def commit_transaction(self, timeout: float = -1) -> None:
        """Commit; after a time-out the call may be made again."""
        self._check(self._in_transaction)
        self._send()
        self._raise_if_spoilt()
        self._committing = True
        self._end(committed=True)

    def abort_transaction(self, timeout: float = -1) -> None:
        """Abort; what isn't sent yet is forgotten."""
        self._check(self._in_transaction and not self._committing)
        self._gathered.clear()
        self._end(committed=False)

    def _end(self, *, committed: bool) -> None:
        if self._has_sent:
            epoch = self._epoch or 0
            request = "commit" if committed else "abort"
            self._request(request, lambda: self._log.end(str(self._id), epoch, committed=committed))
        self._in_transaction = self._committing = False
        self._spoilt = None

    def _send(self) -> None:
        """Send what was gathered, partition by partition; the client repeats what gets no answer, without doubling."""
        if self._fatal is not None:
            self._gathered.clear()
            return
        gathered, self._gathered = self._gathered, []
        by_place: dict[Place, list[_Item]] = {}
        for place, item in gathered:
            by_place.setdefault(place, []).append(item)
        for place, items in by_place.items():
            try:
                offsets = self._request("produce", lambda place=place, items=items: self._append(place, items))
            except KafkaException as error:
                self._spoilt = error
                offsets = [-1] * len(items)
            for offset, (key, value, timestamp, _, on_delivery) in zip(offsets, items, strict=True):
                if on_delivery is not None:
                    stamp = (2, self._log.now()) if place[0] in self._log.stamped else (1, timestamp)
                    delivered = Message(place[0], place[1], offset, key, value, timestamp=stamp)
                    on_delivery(None if self._spoilt is None else self._spoilt.args[0], delivered)

    def _append(self, place: Place, items: Sequence[_Item]) -> list[int]:
        records = [item[:4] for item in items]
        if self._id is None:
            return self._log.append(place, records)
        self._has_sent = True
        return self._log.append_in_transaction(self._id, self._epoch or 0, place, records)

    def _request(self, name: str, action: Callable[[], Any]) -> Any:
        if self._fatal is not None:
            raise self._fatal
        try:
            return self._network.call(name, action)
        except Lost:
            raise timed_out() from None
        except Refused as refused:
            if refused.code in _FENCED:
                self._fatal = failure(KafkaError._FENCED, fatal=True)
                raise self._fatal from None
            raise failure(refused.code, txn_requires_abort=self._in_transaction) from None

    def _raise_if_spoilt(self) -> None:
        if self._spoilt is not None:
            raise failure(self._spoilt.args[0].code(), txn_requires_abort=True)

    def _check(self, allowed: bool) -> None:
        if self._fatal is not None:
            raise self._fatal
        if not allowed:
            raise failure(KafkaError._STATE)
