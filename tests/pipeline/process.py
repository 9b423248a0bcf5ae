"""One process of the simulation: a stage with its producer, its place in a group and its disk, in a greenlet.

It does what `streams.runtime.host` and Faust do around a stage, on one thread: joins the group, recovers, seeks,
fetches ahead, handles batch after batch, lets the stage idle. At every request to the broker and every write to the
disk it gives way, so that the world may run others, kill it there, or let it sleep.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from confluent_kafka import KafkaException
from greenlet import getcurrent, greenlet

from schemas.codec import Codec
from streams.errors import RekindleError
from streams.ingest.stage import IngestStage
from streams.members.engine import Engine
from streams.members.stage import MembersStage
from streams.members.store import Changes
from streams.profiles.stage import ProfilesStage
from streams.runtime.batch import Batch, joined
from streams.runtime.group_offsets import GroupOffsets
from streams.runtime.run_stage import STAGES
from streams.runtime.stage import Input
from streams.runtime.tenure import Tenure
from streams.runtime.transactions import PartitionsLostError, TransactionalProducer
from streams.sealing.envelope import Draw
from streams.sealing.key_ring import KeyRing
from streams.sealing.master import MasterKeys
from streams.sealing.sealer import Sealer
from streams.settings import Settings
from tests.pipeline.consumer import Membership
from tests.pipeline.groups import Refused
from tests.pipeline.kafka import MemoryKafka
from tests.pipeline.log import Log
from tests.pipeline.network import Clock, Lost, Network
from tests.pipeline.store import Disk, MemoryKeyStore, MemoryStore

T = TypeVar("T")
IDLE_SECONDS = 0.25
SESSION_MS = 10_000
QUEUED_BATCHES_MAX = 3


class Killed(BaseException):
    """The process is dead: whatever it still tries on its way out doesn't happen."""


class Loss(NamedTuple):
    """What is lost, the request or its answer, and how long the client waits for it."""

    what: str
    seconds: float


class Record(NamedTuple):
    """A record as aiokafka gives it, as far as the stages look."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    timestamp: int


class ProcessNetwork(Network):
    """The connection of a process: gives way at each request, and fails as the world says."""

    def __init__(self, log: Log, clock: Clock, process: "Process") -> None:
        super().__init__(log, clock)
        self._process = process
        self.batch_records = process.batch_records

    def call(self, request: str, action: Callable[[], T]) -> T:
        """Have the broker do something, unless the request or the answer gets lost."""
        process = self._process
        process.give_way(f"before {request}")
        loss = process.draw_loss(request)
        if loss is not None and loss.what == "request":
            self.wait(loss.seconds)
            raise Lost
        result = action()
        process.give_way(f"after {request}")
        if loss is not None:
            self.wait(loss.seconds)
            raise Lost
        return result

    def wait(self, seconds: float) -> None:
        """Sleep while others go on."""
        self._process.wake_at = self.clock.now_ms + round(seconds * 1000)
        self._process.give_way("waits")

    def silent_since(self) -> int | None:
        """Tell since when the process is dead or asleep."""
        return self._process.silent_since


class FaultyStore(MemoryStore):
    """A store whose writes can be cut off before or after."""

    process: "Process"

    def write(self, changes: Iterable[tuple[bytes, bytes | None, int | None]], changelog_offset: int) -> None:
        """Write all or, killed before, nothing."""
        self.process.give_way("before store")
        super().write(changes, changelog_offset)
        self.process.give_way("after store")

    def rebuild(self, changes: Changes, changelog_offset: int | None) -> None:
        """Write all or, killed before, nothing."""
        self.process.give_way("before store")
        super().rebuild(changes, changelog_offset)
        self.process.give_way("after store")

    def end_rebuild(self, changelog_offset: int) -> None:
        """Make the index or, killed before, not."""
        self.process.give_way("before store")
        super().end_rebuild(changelog_offset)
        self.process.give_way("after store")

    def empty(self) -> None:
        """Forget everything, or be killed before."""
        self.process.give_way("before empty")
        super().empty()


class FaultyKeyStore(MemoryKeyStore):
    """A store of keys whose writes can be cut off before or after."""

    def __init__(self, store: MemoryKeyStore, process: "Process") -> None:
        self.__dict__.update(store.__dict__)
        self._process = process

    def _write(self, packed: Mapping[bytes, bytes], notes: Mapping[bytes, int]) -> None:
        self._process.give_way("before keys")
        super()._write(packed, notes)
        self._process.give_way("after keys")


class Keys(NamedTuple):
    """What sealing needs: the master, and where random bytes come from."""

    master: MasterKeys
    draw: Draw


class Process:
    """A worker process of one stage. `identity` names its transactions, `instance` its fixed place in the group."""

    def __init__(
        self,
        name: str,
        stage: str,
        settings: Settings,
        *,
        log: Log,
        clock: Clock,
        codec: Codec,
        engine: Engine,
        disk: Disk,
        identity: str,
        batch_records: int,
        draw_loss: Callable[[str], "Loss | None"],
        due_max: int,
        keys: Keys | None = None,
    ) -> None:
        self.name = name
        self.stage_name = stage
        self.settings = settings
        self.disk = disk
        self.identity = identity
        self.batch_records = batch_records
        self.wake_at = 0
        self.silent_since: int | None = None
        self.asleep_until: int | None = None
        self.place = "start"
        self.is_dead = False
        self.failure: BaseException | None = None
        self.idles = 0  # how often in a row there was nothing to do
        self.should_stop = False
        self._loss = draw_loss
        self._due_max = due_max
        self._keys = keys
        self._codec = codec
        self._engine = engine
        self._clock = clock
        self._network = ProcessNetwork(log, clock, self)
        self._kafka = MemoryKafka(self._network)
        self._greenlet = greenlet(self._main)
        self.stage: Any = None
        self.loop: Loop | None = None

    # seen from the world

    def resume(self) -> None:
        """Let it go on to where it next gives way."""
        self._greenlet.switch()
        if self._greenlet.dead:
            self.is_dead = True

    def kill(self, now: int) -> None:
        """End it where it stands."""
        self.is_dead = True
        self.silent_since = self.silent_since or now
        if self._greenlet:
            self._greenlet.throw(Killed)

    @property
    def has_partitions(self) -> bool:
        """Whether it has its partitions by right."""
        return not self.is_dead and self.loop is not None and self.loop.has_partitions

    @property
    def stores(self) -> dict[int, MemoryStore]:
        """The members' stores that are open."""
        return self.stage._stores if self.stage_name == "members" and self.stage is not None else {}

    @property
    def is_adopting(self) -> bool:
        """Whether members of its partitions are still to adopt a programme."""
        steps = self.stage._steps.values() if self.stage_name == "members" and self.stage is not None else ()
        return any(step._adoption for step in steps)

    # seen from within

    def give_way(self, place: str) -> None:
        """Let others go on; a dead process goes no further."""
        if self.is_dead:
            raise Killed
        self.place = place
        parent = getcurrent().parent
        if parent is not None:  # the checker looks at stores from outside
            parent.switch()

    def draw_loss(self, request: str) -> "Loss | None":
        """Tell whether a request or its answer is lost."""
        return self._loss(request)

    def _open_store(self, path: Path) -> FaultyStore:
        store = FaultyStore(path, self.disk.open(path).files)
        store.process = self
        return store

    def _open_keys(self, partition: int) -> "FaultyKeyStore":
        store = self.disk.open_keys(partition, self._clock, active_only=self.stage_name == "ingest")
        return FaultyKeyStore(store, self)

    def _sealer(self) -> Sealer | None:
        if self._keys is None:
            return None
        return Sealer(self._kafka, self._keys.master, self._open_keys, self._keys.draw)  # type: ignore[arg-type]

    def _ring(self) -> KeyRing | None:
        if self._keys is None:
            return None
        return KeyRing(self._kafka, self._keys.master, self._open_keys)  # type: ignore[arg-type]

    def _main(self) -> None:
        try:
            self._run()
        except Killed:
            return
        except (RekindleError, KafkaException, Lost) as error:
            self.failure = error

    def _run(self) -> None:
        log, settings = self._network.log, self.settings
        group = STAGES[self.stage_name](settings)
        producer = TransactionalProducer(self._kafka, self.stage_name, f"{group}-{self.identity}")  # type: ignore[arg-type]
        if self.stage_name == "ingest":
            stage: Any = IngestStage(
                settings,
                self._kafka,  # type: ignore[arg-type]
                self._codec,
                producer,
                directory=Path(),
                open_store=self._open_store,
                sealer=self._sealer(),
                clock=self._clock,
                monotonic=lambda: self._clock.now_ms / 1000,
            )
        elif self.stage_name == "profiles":
            stage = ProfilesStage(
                settings,
                self._kafka,  # type: ignore[arg-type]
                self._codec,
                producer,
                clock=self._clock,
                monotonic=lambda: self._clock.now_ms / 1000,
            )
        else:
            stage = MembersStage(
                settings,
                self._kafka,  # type: ignore[arg-type]
                self._codec,
                producer,
                engine=self._engine,
                directory=Path(),
                clock=self._clock,
                open_store=self._open_store,
                ring=self._ring(),
                due_max=self._due_max,
            )
        self.stage = stage
        stage.gives_way = lambda: self.should_stop
        stage.start()
        options = {"session.timeout.ms": SESSION_MS, "group.instance.id": settings.instance}
        membership = Membership(log, self._network, group, stage.topics, options)
        self.loop = Loop(self, stage, membership, self._kafka, group)
        self.loop.run()


class Loop:
    """What goes on around a stage, over and over."""

    def __init__(self, process: Process, stage: Any, membership: Membership, kafka: MemoryKafka, group: str) -> None:
        self._process = process
        self._stage = stage
        self._membership = membership
        self._group = group
        self._network = process._network
        self._tenure = Tenure(stage, GroupOffsets(kafka, group))  # type: ignore[arg-type]
        self._positions: dict[Input, int] = {}
        self._ends: dict[Input, bool] = {}
        self._queue: deque[tuple[int, Batch]] = deque()

    @property
    def has_partitions(self) -> bool:
        """Whether batches are taken, and the group knows of it."""
        generation, member_id = self._tenure.generation, self._membership.member_id
        return generation is not None and self._network.log.group(self._group).has(generation, member_id or "")

    def run(self) -> None:
        """Run until told to stop."""

        def idle(group: bytes) -> None:
            nonlocal worked
            worked = self._stage.idle(group)

        while not self._process.should_stop:
            self._take_part()
            worked = self._fetch()
            if self._queue:
                generation, batches = self._take()
                self._guarded(generation, lambda group, batches=batches: self._stage.handle(batches, group))
                worked = True
            else:
                generation = self._tenure.generation
                if generation is not None:
                    self._guarded(generation, idle)
            self._process.idles = 0 if worked or self._tenure.generation is None else self._process.idles + 1
            self._network.wait(0.01 if worked else IDLE_SECONDS)
        self._stage.close()
        self._membership.leave()

    def _take(self) -> tuple[int, list[Batch]]:
        """Take all that wait, of one deal of the partitions."""
        generation = self._queue[0][0]
        batches = []
        while self._queue and self._queue[0][0] == generation:
            batches.append(self._queue.popleft()[1])
        return generation, joined(batches)

    def _take_part(self) -> None:
        try:
            self._membership.step(self._revoked, self._revoked, self._assigned)
        except Refused as refused:
            raise RekindleError(str(refused)) from None

    def _revoked(self) -> None:
        self._tenure.end()
        self._positions.clear()

    def _assigned(self) -> None:
        generation = self._membership.generation
        assert generation is not None
        assigned = self._membership.partitions
        partitions = sorted({partition for _, partition in assigned})
        self._tenure.recover(generation, partitions, lambda: self._process.should_stop)
        self._positions = dict(self._tenure.find_positions(generation, assigned))
        self._ends = {}

    def _fetch(self) -> bool:
        if len(self._queue) >= QUEUED_BATCHES_MAX or self._tenure.generation is None:
            return False
        found = False
        held = set(self._stage.held())
        for place in [each for each in self._positions if each not in held]:
            batch = self._fetch_one(place)
            if batch is not None:
                self._queue.append((self._membership.generation or 0, batch))
                found = True
        return found

    def _fetch_one(self, place: Input) -> Batch | None:
        start = self._positions[place]
        partition = self._network.log.partition(place)
        records_max = self._process.settings.batch_records_max

        def fetch() -> tuple[list[Any], int, bool]:
            records, end = partition.read(start, records_max, committed=True)
            return records, end, end >= partition.stable_end

        if start >= partition.stable_end and self._ends.get(place):
            return None
        try:
            stored, end, at_end = self._network.call("fetch", fetch)
        except Lost:
            return None
        if not stored and end == start and self._ends.get(place) == at_end:
            return None
        self._positions[place], self._ends[place] = end, at_end
        records = [Record(*place, each.offset, each.key, each.value, each.timestamp) for each in stored]
        return Batch(*place, records, start, end, at_end)

    def _guarded(self, generation: int, action: Callable[[bytes], None]) -> None:
        if not self._tenure.takes(generation, self._membership.generation or 0):
            return
        try:
            action(self._membership.metadata())
        except PartitionsLostError:
            self._tenure.end()
