"""A broker in memory: topics, transactions, groups, with what Kafka promises of them and no more.

- A transactional id has one producer; whoever comes later raises its epoch, and the earlier one is refused everything.
- A transaction that is open for too long is aborted, and its producer fenced likewise.
- Once a transaction is decided its markers follow, partition after partition: until a marker stands, a reader of
  committed records doesn't get past the transaction, and offsets that it carries are unstable. When they are written
  is up to `write_marker`, at the latest when the producer goes on.

The contract that it shares with the real broker is `tests/contracts/test_logs.py`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import KafkaError

from tests.pipeline.groups import Group, Refused
from tests.pipeline.partition import Partition

Place = tuple[str, int]
Headers = Sequence[tuple[str, bytes]]
Record = tuple[bytes | None, bytes | None, int] | tuple[bytes | None, bytes | None, int, Headers]
"""Key, value and timestamp (ms; 0 for now), and headers if it has any."""


@dataclass
class Producer:
    """What the coordinator knows of a transactional id."""

    number: int
    timeout_ms: int
    epoch: int = -1
    open_since: int | None = None
    committed: bool = False  # how the last one ended, for a request that comes again
    places: dict[Place, None] = field(default_factory=dict)
    offsets: dict[str, dict[Place, tuple[int, str]]] = field(default_factory=dict)
    markers: deque[Callable[[], None]] = field(default_factory=deque)


class Log:
    """The broker. `now` tells the time in milliseconds."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.topics: dict[str, list[Partition]] = {}
        self.stamped: set[str] = set()  # topics whose records have the broker's time
        self._producers: dict[str, Producer] = {}
        self._groups: dict[str, Group] = {}

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
        """Create a topic. Raises `Refused` if it exists."""
        if name in self.topics:
            raise Refused(KafkaError.TOPIC_ALREADY_EXISTS)
        self.topics[name] = [Partition() for _ in range(partitions)]
        if config is not None and config.get("message.timestamp.type") == "LogAppendTime":
            self.stamped.add(name)

    def counts(self) -> dict[str, int]:
        """Return the number of partitions of each topic."""
        return {name: len(partitions) for name, partitions in self.topics.items()}

    def partition(self, place: Place) -> Partition:
        """Return a partition. Raises `Refused`."""
        topic, number = place
        if topic not in self.topics or number >= len(self.topics[topic]):
            raise Refused(KafkaError.UNKNOWN_TOPIC_OR_PART)
        return self.topics[topic][number]

    def group(self, name: str) -> Group:
        """Return a group, made when it is first named."""
        if name not in self._groups:
            self._groups[name] = Group(self.counts, self.now)
        return self._groups[name]

    def expire(self) -> None:
        """Do what time alone brings about."""
        for group in self._groups.values():
            group.expire()
        now = self.now()
        for producer in self._producers.values():
            if producer.open_since is not None and now - producer.open_since > producer.timeout_ms:
                self._decide(producer, committed=False)
                producer.epoch += 1

    # producing

    def init_producer(self, transactional_id: str, timeout_ms: int) -> int:
        """Take a transactional id over; returns the epoch."""
        if transactional_id not in self._producers:
            self._producers[transactional_id] = Producer(len(self._producers), timeout_ms)
        producer = self._producers[transactional_id]
        producer.timeout_ms = timeout_ms
        if producer.open_since is not None:
            self._decide(producer, committed=False)
        self._write_markers(producer)
        producer.epoch += 1
        return producer.epoch

    def append(self, place: Place, records: Iterable[Record]) -> list[int]:
        """Append records outside of any transaction; returns their offsets. Raises `Refused`."""
        partition = self.partition(place)
        if place[0] in self.stamped:
            records = [(key, value, 0, *headers) for key, value, _, *headers in records]
        return [self._put(partition, *record) for record in records]

    def append_in_transaction(
        self, transactional_id: str, epoch: int, place: Place, records: Iterable[Record]
    ) -> list[int]:
        """Append records of a transaction, which opens with the first; returns their offsets. Raises `Refused`."""
        partition = self.partition(place)
        producer = self._opened(transactional_id, epoch)
        producer.places[place] = None
        return [self._put(partition, *record, producer=producer.number) for record in records]

    def _put(
        self,
        partition: Partition,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        *,
        producer: int | None = None,
    ) -> int:
        return partition.append(key, value, timestamp or self.now(), producer, headers)

    def add_offsets(
        self,
        transactional_id: str,
        epoch: int,
        group: str,
        member: tuple[int, str, str | None],
        offsets: Mapping[Place, tuple[int, str]],
    ) -> None:
        """Make offsets part of a transaction; `member` is generation, id and instance. Raises `Refused`."""
        self._checked(transactional_id, epoch)
        self.group(group).check(*member)
        self._opened(transactional_id, epoch).offsets.setdefault(group, {}).update(offsets)

    def end(self, transactional_id: str, epoch: int, *, committed: bool) -> None:
        """Decide the transaction; a request that comes again is granted again. Raises `Refused`."""
        producer = self._checked(transactional_id, epoch)
        if producer.open_since is not None:
            self._decide(producer, committed=committed)
        elif committed and not producer.committed:
            raise Refused(KafkaError.INVALID_TXN_STATE)

    def _checked(self, transactional_id: str, epoch: int) -> Producer:
        producer = self._producers[transactional_id]
        if epoch != producer.epoch:
            raise Refused(KafkaError.INVALID_PRODUCER_EPOCH)
        return producer

    def _opened(self, transactional_id: str, epoch: int) -> Producer:
        producer = self._checked(transactional_id, epoch)
        if producer.open_since is None:
            self._write_markers(producer)
            producer.open_since = self.now()
        return producer

    def _decide(self, producer: Producer, *, committed: bool) -> None:
        now = self.now()
        for place in producer.places:
            mark = partial(self.partition(place).mark, producer.number, committed=committed, timestamp=now)
            producer.markers.append(mark)
        for name in producer.offsets:
            producer.markers.append(partial(self._settle_offsets, producer, name, committed=committed))
        producer.places = {}
        producer.open_since = None
        producer.committed = committed

    def _settle_offsets(self, producer: Producer, group: str, *, committed: bool) -> None:
        offsets = producer.offsets.pop(group)
        if committed:
            self.group(group).offsets.update(offsets)

    def _write_markers(self, producer: Producer) -> None:
        while producer.markers:
            producer.markers.popleft()()

    def write_marker(self, choose: Callable[[list[Producer]], Producer]) -> bool:
        """Write the next marker of one of the producers that have some; returns whether there was one."""
        waiting = [producer for producer in self._producers.values() if producer.markers]
        if waiting:
            choose(waiting).markers.popleft()()
        return bool(waiting)

    def write_all_markers(self) -> None:
        """Write every marker that is due."""
        for producer in self._producers.values():
            self._write_markers(producer)

    @property
    def open_transactions(self) -> int:
        """Count the transactions that are open or whose markers don't all stand."""
        return sum(producer.open_since is not None or bool(producer.markers) for producer in self._producers.values())

    # offsets

    def stable_offset(self, group: str, place: Place) -> tuple[int, str] | None:
        """Return a group's committed offset and note. Raises `Refused` while a transaction carries another."""
        if any(place in producer.offsets.get(group, {}) for producer in self._producers.values()):
            raise Refused(KafkaError.UNSTABLE_OFFSET_COMMIT)
        return self.group(group).offsets.get(place)
