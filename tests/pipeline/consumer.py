"""The consumer of confluent_kafka over the log in memory: assigned or in a group; of committed records or all.

In a group it behaves as the client does with an eager assignor: `poll` and `consume` take part in the group, and call
back when partitions come and go.
"""

import contextlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    OFFSET_INVALID,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from streams.runtime.group_metadata import encode_group_metadata
from tests.pipeline.groups import Group, Refused
from tests.pipeline.log import Log, Place
from tests.pipeline.network import Lost, Network
from tests.pipeline.producer import failure, timed_out

STEP_SECONDS = 0.05
Callback = Callable[["MemoryConsumer", list[TopicPartition]], None]


class Membership:
    """A process's place in a group: joins, learns of deals, and says who it is."""

    def __init__(
        self, log: Log, network: Network, group: str, topics: Sequence[str], config: Mapping[str, Any]
    ) -> None:
        self._log = log
        self._network = network
        self._name = group
        self._topics = topics
        self._instance: str | None = config.get("group.instance.id")
        self._session_ms = int(config.get("session.timeout.ms", 45_000))
        self.member_id: str | None = None
        self.generation: int | None = None
        self.partitions: list[Place] = []

    def step(self, on_lost: Callable[[], None], on_revoke: Callable[[], None], on_assign: Callable[[], None]) -> None:
        """Take part: what changed is called back. Raises `Refused` when another has taken the instance id."""
        group = self._log.group(self._name)
        try:
            if self.member_id is None:
                self.member_id = self._join(group)
            elif group.must_rejoin(self.member_id, self._instance):
                if self.generation is not None:
                    on_revoke()
                self._forget()
                self._network.call("join", lambda: group.rejoin(self.member_id or "", self._instance))
            dealt = group.deal(self.member_id, self._instance)
        except Lost:
            return
        except Refused as refused:
            if refused.code == KafkaError.FENCED_INSTANCE_ID:
                raise
            self.member_id = None
            if self.generation is not None:
                on_lost()
            self._forget()
            return
        if dealt is not None and dealt[0] != self.generation:
            if self.generation is not None:  # others went through a deal of which this one never heard
                on_lost()
            self.generation, self.partitions = dealt[0], list(dealt[1])
            on_assign()

    def _join(self, group: Group) -> str:
        """Become a member; one whose id never arrived here sends no heartbeats."""
        begun, known = self._log.now(), []

        def silent_since() -> int | None:
            mine = bool(known) and known[0] == self.member_id
            return self._network.silent_since() if mine else begun

        join = partial(group.join, self._topics, self._session_ms, self._instance, silent_since)
        known.append(self._network.call("join", join))
        return known[0]

    def _forget(self) -> None:
        self.generation, self.partitions = None, []

    def metadata(self) -> bytes:
        """Say who it is, as librdkafka does."""
        generation = -1 if self.generation is None else self.generation
        return encode_group_metadata(self._name, generation, self.member_id or "", self._instance)

    def leave(self) -> None:
        """Leave the group."""
        if self.member_id is not None:
            member_id = self.member_id
            with contextlib.suppress(Lost):
                self._network.call("leave", lambda: self._log.group(self._name).leave(member_id))
            self.member_id = None
            self._forget()


class MemoryConsumer:
    """One consumer."""

    def __init__(self, log: Log, network: Network, config: Mapping[str, Any]) -> None:
        self._log = log
        self._network = network
        self._config = config
        self._group = str(config["group.id"])
        self._committed_only = config.get("isolation.level", "read_committed") == "read_committed"
        self._tells_ends = bool(config.get("enable.partition.eof", False))
        self._positions: dict[Place, int] = {}
        self._told_end: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._ready: deque[Message] = deque()
        self._membership: Membership | None = None
        self._on_assign: Callback | None = None
        self._on_revoke: Callback | None = None
        self._on_lost: Callback | None = None

    # assignment

    def subscribe(
        self,
        topics: Sequence[str],
        on_assign: Callback | None = None,
        on_revoke: Callback | None = None,
        on_lost: Callback | None = None,
    ) -> None:
        """Join the group with the next `poll`."""
        self._membership = Membership(self._log, self._network, self._group, topics, self._config)
        self._on_assign, self._on_revoke, self._on_lost = on_assign, on_revoke, on_lost

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read exactly these partitions."""
        self.unassign()
        self.incremental_assign(partitions)

    def incremental_assign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these, too."""
        for each in partitions:
            self._positions[each.topic, each.partition] = self._start(each)

    def incremental_unassign(self, partitions: Sequence[TopicPartition]) -> None:
        """Read these no more."""
        for each in partitions:
            self._drop((each.topic, each.partition))

    def unassign(self) -> None:
        """Read nothing."""
        for place in list(self._positions):
            self._drop(place)

    def _drop(self, place: Place) -> None:
        self._positions.pop(place, None)
        self._told_end.pop(place, None)  # it stays paused if it was: so it does in librdkafka
        self._ready = deque(each for each in self._ready if (each.topic(), each.partition()) != place)

    def assignment(self) -> list[TopicPartition]:
        """Return what it reads."""
        return [TopicPartition(*place) for place in self._positions]

    def _start(self, each: TopicPartition) -> int:
        place = (each.topic, each.partition)
        partition = self._log.partition(place)
        if each.offset == OFFSET_INVALID:
            (found,) = self.committed([each])
            each = found if found.offset >= 0 else TopicPartition(*place, self._reset())
        if each.offset == OFFSET_BEGINNING:
            return partition.start
        if each.offset == OFFSET_END:
            return partition.stable_end if self._committed_only else partition.end
        return each.offset

    def _reset(self) -> int:
        return OFFSET_BEGINNING if self._config.get("auto.offset.reset") == "earliest" else OFFSET_END

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing of these for now."""
        self._paused |= {(each.topic, each.partition) for each in partitions}

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Go on with these."""
        self._paused -= {(each.topic, each.partition) for each in partitions}

    # reading

    def poll(self, timeout: float = -1) -> Message | None:
        """Return the next message, None if none comes in time."""
        if not self._ready:
            self._ready.extend(self._gather(1, timeout))
        return self._ready.popleft() if self._ready else None

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """Return the next messages, as many as come in time."""
        return self._gather(num_messages, timeout)

    def _gather(self, records_max: int, timeout: float) -> list[Message]:
        waited = 0.0
        while True:
            self._take_part()
            try:
                found, positions, ends = self._network.call("fetch", lambda: self._fetch(records_max))
            except Lost:  # asked again: the position is ours
                found, positions, ends = [], {}, {}
            self._positions.update(positions)
            self._told_end.update(ends)
            if found or waited >= timeout >= 0:
                return found
            self._network.wait(STEP_SECONDS)
            waited += STEP_SECONDS

    def _fetch(self, records_max: int) -> tuple[list[Message], dict[Place, int], dict[Place, int]]:
        found: list[Message] = []
        positions: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for place, at in list(self._positions.items()):
            position = at
            if place in self._paused:
                continue
            partition = self._log.partition(place)
            if not partition.start <= position <= partition.end:
                position = partition.start if self._reset() == OFFSET_BEGINNING else partition.end
            records, end = partition.read(position, records_max - len(found), committed=self._committed_only)
            positions[place] = end
            found.extend(
                Message(
                    *place,
                    each.offset,
                    each.key,
                    each.value,
                    headers=list(each.headers) or None,
                    timestamp=(1, each.timestamp),
                )
                for each in records
            )
            limit = partition.stable_end if self._committed_only else partition.end
            if self._tells_ends and end == limit and self._told_end.get(place) != end:
                ends[place] = end
                found.append(Message(*place, end, error=KafkaError(KafkaError._PARTITION_EOF)))
        return found, positions, ends

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = -1, cached: bool = False
    ) -> tuple[int, int]:
        """Return the first offset that the partition has, and the one behind the last (that is stable)."""

        def look() -> tuple[int, int]:
            found = self._log.partition((partition.topic, partition.partition))
            return found.start, found.stable_end if self._committed_only else found.end

        if cached:
            return look()
        try:
            return self._network.call("list_offsets", look)
        except Lost:
            raise timed_out() from None

    # the group

    def _take_part(self) -> None:
        if self._membership is None:
            return
        try:
            self._membership.step(self._lose, self._revoke, self._assign)
        except Refused as refused:
            raise failure(refused.code, fatal=True) from None

    def _places(self) -> list[TopicPartition]:
        assert self._membership is not None
        return [TopicPartition(*place) for place in self._membership.partitions]

    def _assign(self) -> None:
        if self._on_assign is not None:
            before = dict(self._positions)
            self._on_assign(self, self._places())
            if self._positions != before:
                return
        self.assign(self._places())

    def _revoke(self) -> None:
        if self._on_revoke is not None:
            self._on_revoke(self, self._places())
        self.unassign()

    def _lose(self) -> None:
        if self._on_lost is not None:
            self._on_lost(self, self._places())
            self.unassign()
        else:
            self._revoke()

    def consumer_group_metadata(self) -> bytes:
        """Say who it is in the group."""
        if self._membership is None:
            return encode_group_metadata(self._group, -1, "", None)
        return self._membership.metadata()

    def committed(self, partitions: Sequence[TopicPartition], timeout: float = -1) -> list[TopicPartition]:
        """Return the committed offsets; waits while a transaction may change them."""
        waited = 0.0
        while True:
            try:
                return self._network.call("committed", lambda: [self._committed(each) for each in partitions])
            except (Lost, Refused):
                if waited >= timeout >= 0:
                    raise timed_out() from None
            self._network.wait(STEP_SECONDS)
            waited += STEP_SECONDS

    def _committed(self, each: TopicPartition) -> TopicPartition:
        found = self._log.stable_offset(self._group, (each.topic, each.partition))
        if found is None:
            return TopicPartition(each.topic, each.partition, OFFSET_INVALID)
        return TopicPartition(each.topic, each.partition, found[0], found[1])

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool = True) -> None:
        """Commit outside of any transaction."""
        generation, member, instance = -1, "", None
        if self._membership is not None:
            generation = -1 if self._membership.generation is None else self._membership.generation
            member, instance = self._membership.member_id or "", self._config.get("group.instance.id")

        def settle() -> None:
            group = self._log.group(self._group)
            group.check(generation, member, instance)
            group.offsets.update({(each.topic, each.partition): (each.offset, each.metadata or "") for each in offsets})

        try:
            self._network.call("commit_offsets", settle)
        except Lost:
            raise timed_out() from None
        except Refused as refused:
            raise KafkaException(KafkaError(refused.code)) from None

    def close(self) -> None:
        """Leave the group."""
        if self._membership is not None:
            if self._membership.generation is not None:
                self._revoke()
            self._membership.leave()
        self._positions.clear()
