"""One seed of the simulation: processes, the log, upstream, and everything that can go wrong, interleaved by one seed.

At each step the world lets one process go on to where it next gives way, or does something to it. Which faults there
are, and how often, is drawn anew for each seed: a run with one kind of fault alone gets further than one with all.
With `profiles`, that stage runs, too. With `senders`, those of one channel do: what they report comes round to ingest
again, and into their topic come records a second time, and some that nobody can read. Then everything heals, all input
is handled, a last tick fires what is left, and `tests.pipeline.check` looks.
"""

import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from sinks.senders.ledger import ledger_topic
from sinks.senders.worker import group_of
from streams.engine.events import Tick
from streams.ingest.partitions import partition_of
from streams.members.engine import RealEngine
from streams.members.step import DUE_MAX
from streams.runtime.group_offsets import read_note
from streams.sealing.master import MASTER_BYTES, MasterKeys
from streams.settings import Settings
from streams.topics import (
    COPARTITIONED,
    DEAD_LETTERS,
    ERASURES,
    INGEST_INPUTS,
    MEMBER_EVENTS,
    MEMBER_KEYS,
    MEMBER_PROFILES,
    PROGRAMMES,
    identity_changelog,
    ingest_group,
    members_changelog,
    members_group,
    profiles_group,
)
from tests.pipeline.gateway import Counterpart
from tests.pipeline.log import Log
from tests.pipeline.network import Clock
from tests.pipeline.process import Keys, Loss, Process
from tests.pipeline.sender import CHANNEL, SenderProcess, mailed
from tests.pipeline.store import Disk
from tests.pipeline.upstream import Published, Upstream, last_moment, later_programmes

START_MS = 1_700_000_000_000
CALM_STEPS_MAX = 60_000
EXPIRE_EVERY_MS = 100
REQUESTS = ("init_transactions", "join", "committed", "fetch", "produce", "send_offsets", "commit", "abort")
PLACES = (
    *(f"{stage} {when} {name}" for stage in ("ingest", "members") for when in ("before", "after") for name in REQUESTS),
    "members before store",
    "members after store",
)
"""Where processes are killed on purpose: around every step of a commit and of taking partitions over."""
PROFILES_PLACES = tuple(f"profiles {when} {name}" for when in ("before", "after") for name in REQUESTS)
SENDER_REQUESTS = ("init_transactions", "join", "committed", "fetch", "produce", "send_offsets", "commit", "store")
SENDER_PLACES = (
    "sender at gateway",
    *(f"sender {when} {name}" for when in ("before", "after") for name in SENDER_REQUESTS),
)
SENDERS_TOPIC = f"send.{CHANNEL}"
NOISE = 0.5
SEALED = 0.3  # of the seeds: personal events are sealed, and members are erased
COMMAND_TOPICS = (
    "send.sms",
    "send.email",
    "send.push",
    "send.receipt",
    "send.webhook",
    "bonus.awards",
    "attributions",
    "decisions",
    "profile.checks",
)
RATES = {
    "kill": 0.01,
    "sleep": 0.006,
    "lose": 0.02,
    "spawn": 0.003,
    "stop": 0.003,
    "compact": 0.01,
    "snapshot": 0.01,
}


class StuckError(AssertionError):
    """Everything is well and yet input remains that nobody handles."""


@dataclass
class Slot:
    """A place where a process of a stage runs, and runs again."""

    name: str
    stage: str
    instance: str | None
    identity: str
    disk: Disk = field(default_factory=Disk)
    snapshots: list[Disk] = field(default_factory=list)
    process: Process | None = None
    restart_at: int | None = 0


@cache
def shared() -> tuple[Codec, "CachingEngine"]:
    """Codec and engine of all runs: both know nothing of a run."""
    return Codec(CommittedSchemas()), CachingEngine()


class CachingEngine(RealEngine):
    """The real engine; the same programmes are compiled once for all runs."""

    def __init__(self) -> None:
        super().__init__()
        self._programmes: dict[tuple[str, int], object] = {}

    def load(self, bundles: object, number: int) -> object:
        """Load a programme, or take it from an earlier run."""
        key = (repr(bundles), number)
        if key not in self._programmes:
            self._programmes[key] = super().load(bundles, number)  # type: ignore[arg-type]
        return self._programmes[key]


class World:
    """The run of one seed."""

    def __init__(
        self,
        seed: int,
        *,
        records: int | None = None,
        only: Collection[str] = (),
        due_max: int | None = None,
        senders: bool = False,
        profiles: bool = False,
        is_stored: bool = False,
        sealed: bool | None = None,
        merges: bool = False,
        programmes: int = 3,
        first_at: int = START_MS - 86_400_000,
        stormy_steps: int | None = None,
    ) -> None:
        self._first_at = first_at  # when the first programme comes into force; up to `programmes` are applied
        self._programmes, self._seed, self._stormy_steps = programmes, seed, stormy_steps
        self.is_stored = is_stored  # all events are there, in order of time, before anybody reads them
        self.rng = rng = random.Random(seed)
        # how many members a tick concerns at once: few, so that ticks stay open
        self.due_max = due_max or random.Random(f"due {seed}").choice((1, 2, DUE_MAX))
        self.clock = Clock(START_MS)
        self.log = Log(self.clock)
        self.codec, self.engine = shared()
        self.partitions = rng.choice((1, 2, 3))
        self.wall = rng.random() < 0.5 and not is_stored
        self.records = records if records is not None else rng.randint(10, 80)
        self.batch_records = rng.choice((1, 3, 20, 1000))
        self.settings = Settings(
            clock="wall" if self.wall else "event", batch_records_max=rng.choice((1, 2, 5, 20)), group_prefix="sim"
        )
        self.rates = {name: rate * rng.choice((0, 1, 3)) for name, rate in RATES.items()}
        if only:
            self.rates = {name: RATES[name] if name in only else 0.0 for name in RATES}
        draw = random.Random(f"keys {seed}").randbytes
        is_sealed = random.Random(f"sealed {seed}").random() < SEALED if sealed is None else sealed
        self.keys = Keys(MasterKeys([draw(MASTER_BYTES)], draw), draw) if is_sealed else None
        kinds = {"erases": is_sealed, "merges": merges, "in_order": is_stored}
        self.upstream = Upstream(rng, self.codec, self.partitions, wall=self.wall, start=START_MS, **kinds)
        self.published: list[Published] = []
        self.faults = 0
        self.killed_at: set[str] = set()
        self.trace: list[str] = []
        self.last_at = 0  # the time of the last tick
        self._is_calm = False
        self._expire_at = 0
        self.mines: set[str] = set()  # places at which the next process that comes there dies
        self._slots: list[Slot] = []
        self._ghosts: list[Process] = []  # asleep while another runs in their place
        for topic in (*COPARTITIONED, DEAD_LETTERS, MEMBER_PROFILES, MEMBER_KEYS, ERASURES, *COMMAND_TOPICS):
            self.log.create_topic(topic, self.partitions)
        self.log.create_topic(PROGRAMMES, 1)
        self.log.group(ingest_group(self.settings)).is_undivided = not self.wall
        has_names = rng.random() < 0.5
        self.places: tuple[Sequence[str], ...] = (PLACES,)  # for each kind of process as often
        self.stages: tuple[str, ...] = ("ingest", "members")
        self.counterpart: Counterpart | None = None
        self.kinds: dict[str, type[Process]] = {"sender": SenderProcess}
        self.noise: set[tuple[int, int]] = set()  # partition and offset of what isn't the members' own
        if profiles:
            self.stages, self.places = (*self.stages, "profiles"), (*self.places, PROFILES_PLACES)
        if senders:
            self._add_senders(seed)
        for stage in self.stages:
            for number in range(rng.choice((1, 2, 2))):
                self._add_slot(stage, f"{stage}-{number}" if has_names else None)

    def _add_senders(self, seed: int) -> None:
        random.seed(seed)  # stamina draws its pauses by it
        rng = self.rng
        self.stages, self.places = (*self.stages, "sender"), (*self.places, SENDER_PLACES)
        self.counterpart = Counterpart(rng, rng.random() < 0.5, failing=rng.choice((0.0, 0.1, 0.4)))
        self.settings = replace(self.settings, sender_in_doubt=rng.choice(("fail", "fail", "repeat")))
        self.log.create_topic(ledger_topic(self.settings, CHANNEL), self.partitions)

    def _add_slot(self, stage: str, instance: str | None) -> None:
        identity = instance or f"id-{self.rng.getrandbits(32):x}"
        self._slots.append(Slot(f"{stage}-{len(self._slots)}", stage, instance, identity))

    def run(self) -> None:
        """Run it all. Raises `StuckError`."""
        self.upstream.apply(self.log, 1, self._first_at)
        second_at = -1 if self.is_stored else self.rng.randrange(2 * self.records + 1)
        later = later_programmes(self._seed, second_at, self._programmes)
        sent = 0
        while sent < self.records:
            if self.rng.random() < 0.1:
                for number in later.get(sent, ()):
                    self.upstream.apply(self.log, number, self.clock())
                for record in self.upstream.next_records(self.clock()):
                    self.upstream.publish(self.log, record)
                    self.published.append(record)
                sent += 1
                if self.counterpart is not None and self.rng.random() < NOISE:
                    self._make_noise()
            if not self.is_stored:
                self._step()
        for _ in range(self._stormy_steps or self.rng.randrange(400)):
            self._step()
        self.heal()
        self.until(lambda: self.is_handled("ingest"))
        ends = [partition.stable_end for partition in self.log.topics[MEMBER_EVENTS]]  # ticks go on by the clock
        self.until(lambda: all(map(self._is_read, range(self.partitions), ends)))
        self.last_at = last_moment(self.published, self.clock())
        self.upstream.announce(self.log, Tick(occurred_at=self.last_at, wall=False))
        self.until(self._is_at_rest)
        self.log.write_all_markers()

    def _make_noise(self) -> None:
        """Put dispatches of a mailing into the senders' topic, or one again, or what is none."""
        number = self.rng.randrange(self.partitions)
        records = self.log.topics[SENDERS_TOPIC][number].committed()
        kind = self.rng.choice(("mailing", "mailing", "again", "poison"))
        if kind == "again" and records:
            copied = self.rng.choice(records)
            self._append_noise(number, copied.key or b"", copied.value or b"")
        elif kind == "poison":
            self._append_noise(number, b"poison", b"no Avro at all")
        else:
            for _ in range(self.rng.randint(1, 12)):
                mailing = mailed(f"mailed-{len(self.noise)}", f"m{self.rng.randrange(10)}", self.clock())
                key = mailing.member_id.encode()
                self._append_noise(partition_of(key, self.partitions), key, self.codec.encode(mailing))

    def _append_noise(self, number: int, key: bytes, value: bytes) -> None:
        (offset,) = self.log.append((SENDERS_TOPIC, number), [(key, value, self.clock())])
        self.noise.add((number, offset))

    def heal(self) -> None:
        """From now on nothing goes wrong any more."""
        self._is_calm = True
        if self.counterpart is not None:
            self.counterpart.failing = 0.0
        for slot in self._slots:
            if slot.process is not None:
                self._wake(slot.process)
            if slot.restart_at is not None:
                slot.restart_at = self.clock()
        for ghost in self._ghosts:
            self._wake(ghost)

    def until(self, predicate: Callable[[], bool]) -> None:
        """Go on until something holds. Raises `StuckError`."""
        for number in range(CALM_STEPS_MAX):
            if number % 50 == 0 and predicate():
                return
            self._step()
        places = {process.name: process.place for process in self._processes()}
        raise StuckError(f"after {CALM_STEPS_MAX} calm steps input remains; {places}")

    def is_handled(self, stage: str) -> bool:
        """Tell whether a stage has committed everything that stands in its input."""
        group, topics = {
            "ingest": (ingest_group(self.settings), INGEST_INPUTS),
            "members": (members_group(self.settings), (MEMBER_EVENTS,)),
            "profiles": (profiles_group(self.settings), (members_changelog(self.settings),)),
            "sender": (group_of(self.settings, CHANNEL), (SENDERS_TOPIC,)),
        }[stage]
        for topic in topics:
            for number, partition in enumerate(self.log.topics[topic]):
                offset, note = self.log.group(group).offsets.get((topic, number), (0, ""))
                if read_note(note).open_ticks:
                    return False
                if partition.stable_end < partition.end or partition.read(offset, 1, committed=True)[0]:
                    return False
        return True

    def _is_at_rest(self) -> bool:
        return (
            all(map(self.is_handled, self.stages))
            and not self.log.open_transactions
            and all(each.place == "waits" for each in self.owners("members"))  # what was committed is stored, too
        )

    def _is_read(self, number: int, end: int) -> bool:
        offset, _ = self.log.group(members_group(self.settings)).offsets.get((MEMBER_EVENTS, number), (0, ""))
        partition = self.log.topics[MEMBER_EVENTS][number]
        return offset >= end or all(each.offset >= end for each in partition.read(offset, 1, committed=True)[0])

    def owners(self, stage: str) -> list[Process]:
        """Return the processes of a stage that have partitions now."""
        return [each for each in self._processes() if each.stage_name == stage and each.has_partitions]

    # one step

    def _processes(self) -> list[Process]:
        return [each.process for each in self._slots if each.process is not None] + self._ghosts

    def _step(self) -> None:
        self.clock.now_ms += self.rng.randrange(5)
        self._bring_back()
        if not self._is_calm:
            self._maybe_fail()
        if self.rng.random() < 0.3:
            self.log.write_marker(self.rng.choice)
        awake = [each for each in self._processes() if each.asleep_until is None and not each.is_dead]
        ready = [each for each in awake if each.wake_at <= self.clock()]
        if ready:
            self._resume(self.rng.choice(ready))
        else:
            self._skip_time(awake)
        if self.clock() >= self._expire_at:
            self.log.expire()
            self._expire_at = self.clock() + EXPIRE_EVERY_MS

    def _skip_time(self, awake: list[Process]) -> None:
        moments = [each.wake_at for each in awake]
        moments += [each.asleep_until for each in self._processes() if each.asleep_until is not None]
        moments += [each.restart_at for each in self._slots if each.restart_at is not None]
        self.clock.now_ms = max(self.clock(), min(moments, default=self.clock() + 1000))

    def _resume(self, process: Process) -> None:
        process.resume()
        if not self._is_calm and f"{process.stage_name} {process.place}" in self.mines and not process.is_dead:
            self.mines.discard(f"{process.stage_name} {process.place}")
            for slot in self._slots:
                if slot.process is process:
                    self._kill_now(slot)
                    return
        if process.is_dead:
            process.silent_since = process.silent_since or self.clock()
            self._note(f"{process.name} ended: {process.failure!r}")
            self._bury(process)

    def _bury(self, process: Process) -> None:
        if process in self._ghosts:
            self._ghosts.remove(process)
        for slot in self._slots:
            if slot.process is process:
                slot.process = None
                slot.restart_at = self.clock() + self.rng.choice((0, 1000, 15_000))

    def _bring_back(self) -> None:
        now = self.clock()
        for process in self._processes():
            if process.asleep_until is not None and process.asleep_until <= now:
                self._wake(process)
        for slot in self._slots:
            if slot.process is None and slot.restart_at is not None and slot.restart_at <= now:
                self._start(slot)

    def _wake(self, process: Process) -> None:
        process.asleep_until = None
        if not process.is_dead:
            process.silent_since = None

    def _start(self, slot: Slot) -> None:
        slot.restart_at = None
        slot.process = self.kinds.get(slot.stage, Process)(
            slot.name,
            slot.stage,
            self._settings_of(slot),
            log=self.log,
            clock=self.clock,
            codec=self.codec,
            engine=self.engine,
            disk=slot.disk,
            identity=slot.identity,
            batch_records=self.batch_records,
            draw_loss=self._draw_loss,
            due_max=self.due_max,
            keys=self.keys,
        )
        if isinstance(slot.process, SenderProcess):
            assert self.counterpart is not None
            slot.process.counterpart = self.counterpart

    def _settings_of(self, slot: Slot) -> Settings:
        return replace(self.settings, instance=slot.instance)

    # faults

    def _note(self, text: str) -> None:
        self.trace.append(f"{self.clock() - START_MS:>8} {text}")

    def _draw_loss(self, request: str) -> Loss | None:
        if self._is_calm or self.rng.random() >= self.rates["lose"]:
            return None
        loss = Loss(self.rng.choice(("request", "answer")), self.rng.choice((0.5, 5.0, 30.0)))
        self.faults += 1
        self._note(f"{request}: {loss.what} lost, {loss.seconds} s")
        return loss

    def _maybe_fail(self) -> None:
        often = 10 if any(each.is_adopting for each in self._processes()) else 1
        for name, rate in self.rates.items():
            if name != "lose" and self.rng.random() < (rate * often if name == "kill" else rate):
                getattr(self, f"_{name}")()

    def _running(self) -> list[Slot]:
        return [each for each in self._slots if each.process is not None]

    def _kill(self) -> None:
        """Kill a process where it stands, or whoever comes first to a certain place."""
        if self.rng.random() < 0.5:
            places = self.places[0] if len(self.places) == 1 else self.rng.choice(self.places)
            self.mines.add(self.rng.choice(places))
        elif running := self._running():
            self._kill_now(self.rng.choice(running))

    def _kill_now(self, slot: Slot) -> None:
        self.faults += 1
        process = slot.process
        assert process is not None
        self.killed_at |= {f"{slot.stage} {process.place}", *(["adopting"] if process.is_adopting else [])}
        process.kill(self.clock())
        self._bury(process)
        what = self.rng.random()
        if what < 0.15:
            slot.disk = Disk()
            slot.snapshots = []
        elif what < 0.35 and slot.snapshots:
            slot.disk = self.rng.choice(slot.snapshots).copy()
        self._note(f"{slot.name} killed at {process.place}, disk {'kept' if what >= 0.35 else 'lost or old'}")

    def _sleep(self) -> None:
        running = [each for each in self._running() if each.process is not None and each.process.asleep_until is None]
        if not running:
            return
        slot = self.rng.choice(running)
        process = slot.process
        assert process is not None
        self.faults += 1
        process.silent_since = self.clock()
        process.asleep_until = self.clock() + self.rng.choice((2_000, 12_000, 20_000, 60_000))
        self._note(f"{slot.name} sleeps at {process.place} until {process.asleep_until - START_MS}")
        if slot.instance is not None and self.rng.random() < 0.4:  # thought dead: another takes its place
            self._ghosts.append(process)
            slot.process = None
            slot.disk = Disk()
            slot.snapshots = []
            slot.restart_at = self.clock() + self.rng.randrange(30_000)
            self._note(f"{slot.name} is replaced")

    def _spawn(self) -> None:
        stage = self.rng.choice(self.stages)
        same = [each for each in self._slots if each.stage == stage]
        if len(same) < 3:
            self.faults += 1
            self._add_slot(stage, None if same[0].instance is None else f"{stage}-{len(self._slots)}")
            self._note(f"{self._slots[-1].name} joins")

    def _stop(self) -> None:
        stage = self.rng.choice(self.stages)
        running = [each for each in self._running() if each.stage == stage]
        if len(running) > 1:
            slot = self.rng.choice(running)
            assert slot.process is not None
            self.faults += 1
            slot.process.should_stop = True
            self._note(f"{slot.name} is told to stop")

    def _compact(self) -> None:
        for topic in (
            members_changelog(self.settings),
            MEMBER_PROFILES,
            identity_changelog(self.settings),
            PROGRAMMES,
            ledger_topic(self.settings, CHANNEL),
        ):
            for partition in self.log.topics.get(topic, []):
                partition.compact()
        self._note("compacted")

    def _snapshot(self) -> None:
        slot = self.rng.choice(self._slots)
        slot.snapshots.append(slot.disk.copy())
