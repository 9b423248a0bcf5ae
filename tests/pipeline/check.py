"""What must hold at the end of a run, whatever went wrong in it.

1. Every record of the sources is once in `member.events`, in the partition of its key, and those of a source partition
   are there in its order; what is unfit stands once in `dead.letters`. Ticks never go back. Every state that moves is
   told of on both sides, and handed over once: `tests.pipeline.waits` says who may wait for one.
2. What the members stage put out is, record for record, what the pure engine says to the same `member.events`, read
   from beginning to end without interruption; where ticks stay open, in the order of each member's. So is every
   member's state, in the changelog and in the local stores.
3. The last profile of each member is what the last state of theirs amounts to, and nobody else has one; profiles of a
   member never go back.
4. What is personal is sealed, and the keys of erased members are gone: `tests.pipeline.opened`.
5. What the senders did with it: `tests.pipeline.check_senders`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from schemas.codec import BadRecord, Codec
from schemas.erasure import Erasure
from streams.engine.events import Event, LogRecord, ProgrammeApplied, StateHandedOver, StateMoved, Tick
from streams.ingest.partitions import partition_of
from streams.members.emit import Outgoing, encode_commands
from streams.members.engine import Engine
from streams.members.held import Adopted, Awaited, Held, Kept
from streams.members.record import MOVED, RESERVED, pack
from streams.members.step import DUE_MAX
from streams.profiles.make import is_members, profile_value
from streams.runtime.transactions import kafka_time
from streams.topics import CONTROL, DEAD_LETTERS, ERASURES, INGEST_INPUTS, MEMBER_PROFILES, SENT_ON, members_changelog
from tests.pipeline.check_senders import STATUSES, check_senders, reported, unreadable
from tests.pipeline.opened import check_sealed, opened
from tests.pipeline.partition import Stored
from tests.pipeline.upstream import PROGRAMME_FILES
from tests.pipeline.waits import check_waits, comparable, record_of_who_waits
from tests.pipeline.world import COMMAND_TOPICS, SENDERS_TOPIC, World

SOURCES = tuple(topic for topic in INGEST_INPUTS if topic != CONTROL)
FAR_AHEAD_MS = 3_600_000


class CalmRun:
    """The pure engine over one partition of the log: members in a dictionary, timers found by looking at all.

    What comes for somebody to whom a state is on its way is put off until it has come.
    """

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._codec = codec
        self._states: dict[str, Any] = {}
        self._programme = engine.load([], 0)
        self._tick_at: int | None = None
        self._moved: dict[str, str] = {}
        self._put_off: dict[str, list[tuple[Any, bytes, int | None, Any]]] = {}  # item, bytes, last tick, programme
        self._arrived: dict[str, StateHandedOver] = {}
        self.handed: Counter[str] = Counter()  # the moves by which a state was given away
        self.united: Counter[str] = Counter()  # those whose state became part of another
        self.out: list[Outgoing] = []
        self.gone: set[str] = set()  # the keys whose state was handed over
        self.erasures: list[Erasure] = []

    def handle(self, records: Sequence[Stored]) -> None:
        """Handle the records of a partition."""
        decoded = self._codec.decode_log([each.value or b"" for each in records], [each.key for each in records])
        for record, item in zip(records, decoded, strict=True):
            key, value = (record.key or b"").decode(), record.value or b""
            if isinstance(item, Tick):
                self._tick(item)
            elif isinstance(item, ProgrammeApplied):
                self._apply(item)
            else:
                assert isinstance(item, Event | StateMoved | StateHandedOver), item
                self._of_one(key, item, value)
                self._catch_up(key)

    def _of_one(self, key: str, item: Any, value: bytes) -> None:
        gives = isinstance(item, StateMoved) and item.gone == key
        comes_back = isinstance(item, StateHandedOver) and self._comes_back(key, item)
        if isinstance(item, StateMoved) and not gives and self._moved.get(key) == item.gone:
            if key > item.gone or item.into != key:
                return  # each into the other at once: the smaller id stays
            del self._moved[key]
        waits = [each for each, *_ in self._waits(key)]
        if self._stays(key, item, waits):
            self._hand_over(item, None)
            return
        awaited = {each.gone for each in waits if isinstance(each, StateMoved)}
        if gives and not item.erased and item.into in awaited and key > item.into:
            del self._put_off[key]
            self._give(key, item)
            self._send_all_on(key, waits)
            return
        if comes_back:
            self._moved.pop(key, None)
        if key in self._moved and not gives:
            self._pass_on(key, item)
        elif isinstance(item, StateHandedOver):
            self._arrived[item.move_id] = item
            waits = self._put_off.pop(key, [])
            if comes_back:
                self._unite(key, item, self._programme, self._tick_at)
            while waits and self._may_go_on(waits[0][0], key):
                first, *of_it = waits.pop(0)
                if self._stays(key, first, [later for later, *_ in waits]):
                    self._hand_over(first, None)
                else:
                    self._one(key, first, *of_it)
                if key in self._moved:
                    self._send_all_on(key, [later for later, *_ in waits])
                    return
            if waits:
                self._put_off[key] = waits
        elif key in self._put_off or (isinstance(item, StateMoved) and not gives):
            self._put_off.setdefault(key, []).append((item, value, self._tick_at, self._programme))
        else:
            self._one(key, item, value, self._tick_at, self._programme)

    def _comes_back(self, key: str, item: StateHandedOver) -> bool:
        """Whether it is their own, or of who was merged into them as they were into that one: the smaller id stays."""
        moved = self._moved.get(key)
        return moved in (None, item.into) if item.gone == key else moved == item.gone and key < item.gone

    def _stays(self, key: str, item: Any, later: Sequence[Any]) -> bool:
        """Whether it is to become part of who becomes part of it, by what comes later: the smaller id stays."""
        coming = {each.gone for each in later if isinstance(each, StateMoved) and each.into == key}
        gives = isinstance(item, StateMoved) and item.gone == key and not item.erased
        return gives and item.into in coming and key < item.into

    def _waits(self, key: str) -> Sequence[Any]:
        return self._put_off.get(key, ())

    def _may_go_on(self, item: Any, key: str) -> bool:
        return not isinstance(item, StateMoved) or item.gone == key or item.move_id in self._arrived

    def _one(self, key: str, item: Any, _value: bytes, tick_at: int | None, programme: Any) -> None:
        self._catch_up(key, tick_at, programme)
        if isinstance(item, Event):
            state = self._states.setdefault(key, self._engine.new(key))
            self._put(self._engine.handle(programme, state, item, tick_at=tick_at))
            erased_at = self._engine.erased_at(state)
            if item.type == "member_erased" and erased_at is not None:
                self.erasures.append(Erasure(at=erased_at, member_id=key, occurred_at=item.occurred_at))
        elif isinstance(item, ProgrammeApplied):
            self._adopt(key, item, tick_at, programme)
        elif item.gone == key:
            self._let_go(key, item)
        else:
            self._unite(key, item, programme, tick_at)

    def _unite(self, key: str, item: StateMoved | StateHandedOver, programme: Any, tick_at: int | None) -> None:
        came, at = self._arrived[item.move_id].state, item.occurred_at
        if came is not None:
            self.united[item.move_id] += 1
            state, other = self._states.setdefault(key, self._engine.new(key)), self._engine.decode(came)
            self._put(self._engine.merge(programme, state, other, at, historical=item.historical, tick_at=tick_at))

    def _send_all_on(self, key: str, waits: Sequence[Any]) -> None:
        for item in waits:
            if isinstance(item, StateMoved) and item.gone == key:
                self._let_go(key, item)
                continue
            if isinstance(item, Event) or (isinstance(item, StateMoved) and item.gone != self._moved[key]):
                self._send_on(key, item)
            if isinstance(item, StateMoved) and item.move_id in self._arrived:
                self._send_on(key, self._arrived[item.move_id])

    def _pass_on(self, key: str, item: Event | StateMoved | StateHandedOver) -> None:
        is_nothing = isinstance(item, StateHandedOver) and item.state is None and item.gone in (key, self._moved[key])
        if not is_nothing:  # else nobody waits for it
            self._send_on(key, item)

    def _send_on(self, key: str, item: Event | StateMoved | StateHandedOver) -> None:
        into = self._moved[key].encode()
        self.out.append(Outgoing(CONTROL, into, self._codec.encode(item), None))

    def _let_go(self, key: str, moved: StateMoved) -> None:
        if moved.erased:
            self.erasures.append(Erasure(at=moved.occurred_at, member_id=key, occurred_at=moved.occurred_at))
        if not moved.erased or moved.into is None:
            self._give(key, moved)

    def _give(self, key: str, moved: StateMoved) -> None:
        if moved.into is None:
            self._moved.pop(key, None)
            return
        state = self._states.pop(key, None)
        self.gone.add(key)
        self._moved.setdefault(key, moved.into)  # who has the state gets what is on its way, too
        self.handed[moved.move_id] += state is not None
        self._hand_over(moved, None if state is None else self._engine.encode(state))

    def _hand_over(self, moved: StateMoved, state: bytes | None) -> None:
        into = moved.into or ""
        handed = StateHandedOver(
            occurred_at=moved.occurred_at,
            move_id=moved.move_id,
            gone=moved.gone,
            into=into,
            historical=moved.historical,
            state=state,
        )
        self.out.append(Outgoing(CONTROL, into.encode(), self._codec.encode(handed), None))

    def _catch_up(self, key: str, tick_at: int | None = None, programme: Any = None) -> None:
        """Fire what ticks have due that passed while the member waited."""
        state = self._states.get(key)
        until = self._tick_at if programme is None else tick_at
        while state is not None and until is not None and key not in self._put_off:
            due = state.next_due()
            if due is None or due > until:
                return
            self._put(self._engine.advance(programme or self._programme, state, until, wall=False))

    def _tick(self, tick: Tick) -> None:
        due = sorted(
            (state.next_due(), key.encode())
            for key, state in self._states.items()
            if state.next_due() is not None and key not in self._put_off
        )
        for at, key in due:
            if at <= tick.occurred_at:
                state = self._states[key.decode()]
                self._put(self._engine.advance(self._programme, state, tick.occurred_at, wall=tick.wall))
        self._tick_at = max(tick.occurred_at, self._tick_at or tick.occurred_at)

    def _apply(self, applied: ProgrammeApplied) -> None:
        programme = self._engine.load(list(PROGRAMME_FILES[: applied.programme]), applied.programme)
        for key in sorted({*self._states, *self._put_off}, key=str.encode):
            if key in self._put_off:
                self._put_off[key].append((applied, b"", self._tick_at, self._programme))
            else:
                self._adopt(key, applied, self._tick_at, self._programme)
        self._programme = programme

    def _adopt(self, key: str, applied: ProgrammeApplied, tick_at: int | None, before: Any) -> None:
        programme = self._engine.load(list(PROGRAMME_FILES[: applied.programme]), applied.programme)
        state = self._states.setdefault(key, self._engine.new(key))
        due = self._engine.advance(before, state, applied.occurred_at, wall=False)
        self._put([*due, *self._engine.adopt(programme, state, applied.occurred_at, tick_at=tick_at)])

    def _put(self, commands: Sequence[Any]) -> None:
        self.out.extend(encode_commands(self._codec, commands))

    @property
    def came(self) -> Counter[str]:
        """The moves whose state has come, and waits for what comes before."""
        return Counter(
            item.move_id
            for key, items in self.waits.items()
            for item in items
            if isinstance(item, StateMoved) and item.gone != key and self._has_come(item)
        )

    def _has_come(self, item: StateMoved) -> bool:
        return item.move_id in self._arrived and self._arrived[item.move_id].state is not None

    @property
    def waits(self) -> dict[str, Sequence[Any]]:
        """Who waits for a state: what is kept for them, longest ago first."""
        return {key: [item for item, *_ in waits] for key, waits in self._put_off.items()}

    @property
    def members(self) -> dict[bytes, bytes]:
        """Every member's record, as the stores keep it; of who waits as `comparable` has it."""
        states = {key.encode(): pack(each.next_due(), self._engine.encode(each)) for key, each in self._states.items()}
        moved = {key.encode(): pack(None, MOVED + into.encode()) for key, into in self._moved.items()}
        return states | moved | {key.encode(): self._record_of_who_waits(key) for key in self._put_off}

    def _record_of_who_waits(self, key: str) -> bytes:
        held, state = Held(0), self._states.get(key)
        for item, _, tick_at, _ in self._put_off[key]:
            if isinstance(item, ProgrammeApplied):
                held.add(Adopted(item.programme, item.occurred_at, tick_at))
            elif isinstance(item, Event) or item.gone == key:
                held.add(Kept(0, b"", tick_at))
            else:
                held.add(Awaited(item.move_id, item.gone, item.into or "", item.occurred_at, item.historical, tick_at))
                if item.move_id in self._arrived:
                    held.arrive(item.move_id, self._arrived[item.move_id].state)
        return record_of_who_waits(held, None if state is None else self._engine.encode(state))


def check(world: World) -> Collection[str]:
    """Check a run that has come to its end; returns who waits for a state all the same, in a circle."""
    runs = []
    for number in range(world.partitions):
        run = CalmRun(world.engine, world.codec)
        run.handle(opened(world, number))
        runs.append(run)
    waits = {key: kept for run in runs for key, kept in run.waits.items()}
    check_waits(waits)
    handed, united, came = (
        sum((getattr(run, name) for run in runs), Counter()) for name in ("handed", "united", "came")
    )
    assert handed == united + came, (
        f"states were lost: {handed - united - came}, or became part twice: {united + came - handed}"
    )
    reentered = [each for run in runs for each in run.out if each.topic in SOURCES]
    passed_on = [each for run in runs for each in run.out if each.topic == CONTROL]
    _check_ingest(world, reentered, passed_on)
    out = [each for run in runs for each in run.out if each.topic not in INGEST_INPUTS]
    gone = {key.encode() for run in runs for key in run.gone}
    _check_outputs(world, out, gone, by_member=world.due_max < DUE_MAX)
    _check_states(world, runs)
    _check_profiles(world, runs)
    check_senders(world)
    check_sealed(world, {key.encode() for key in waits})
    _check_erasures(world, runs)
    return waits.keys()


def _check_ingest(world: World, reentered: Sequence[Outgoing], passed_on: Sequence[Outgoing]) -> None:
    log, codec = world.log, world.codec
    expected = Counter((each.topic, each.value) for each in [*world.published, *reentered])
    expected.update((STATUSES, value) for value in reported(world))
    found: Counter[tuple[str, bytes]] = Counter()
    unfit = set(unreadable(world))
    items = codec.decode_log([each.value for each in passed_on], [each.key for each in passed_on])
    moved = Counter(each.value for each, item in zip(passed_on, items, strict=True) if isinstance(item, StateMoved))
    sent_on = Counter(
        (each.key, each.value) for each, item in zip(passed_on, items, strict=True) if isinstance(item, Event)
    )
    wanted = Counter(each.value for each in passed_on) - moved
    for (topic, value), count in expected.items():
        (header,) = codec.decode_headers([value], topic)
        if not isinstance(header, BadRecord) and not _is_far_ahead(world, header):
            wanted[value] += count
    orders = []
    for topic in SOURCES:
        for number, partition in enumerate(log.topics[topic]):
            records = partition.committed()
            found.update((topic, each.value or b"") for each in records)
            headers = _headers(codec, topic, records)
            unfit |= {
                (topic, number, record.offset)
                for record, header in zip(records, headers, strict=True)
                if isinstance(header, BadRecord) or _is_far_ahead(world, header)
            }
            orders.append([(topic, each.value or b"") for each in records])
    assert not expected - found, f"the sources lack {_few(expected - found)}"
    assert world.wall or not found - expected, f"the sources hold {_few(found - expected)} too many"  # handed on
    letters = codec.decode_dead_letters(
        [each.value or b"" for part in log.topics[DEAD_LETTERS] for each in part.committed()]
    )
    for number, partition in enumerate(log.topics[CONTROL]):
        times = [each.timestamp for each in partition.committed() if each.key]  # what the stages put on its way
        assert times == sorted(times), f"control/{number}: Kafka deletes by the time of writing, which this isn't"
    found_letters = sorted((each.topic, each.partition, each.offset) for each in letters)
    assert found_letters == sorted(unfit), f"dead letters: {_difference(sorted(unfit), found_letters)}"
    once = [[value for topic, value in order if found[topic, value] == 1 == wanted[value]] for order in orders]
    _check_log(world, wanted, once, moved, sent_on)


def _check_log(
    world: World,
    wanted: Counter[bytes],
    orders: Sequence[Sequence[bytes]],
    moved_on: Counter[bytes],
    sent_on: Counter[tuple[bytes, bytes]],
) -> None:
    """Check that the log holds these events, and those of each source partition in their order; and the moves.

    Those that were sent on are marked, and no others.
    """
    found: Counter[bytes] = Counter()
    marked: Counter[tuple[bytes, bytes]] = Counter()
    moves: Counter[bytes] = Counter()
    for number in range(world.partitions):
        records = opened(world, number)
        decoded = world.codec.decode_log([each.value or b"" for each in records], [each.key for each in records])
        _check_control(world, number, decoded)
        for record, item in zip(records, decoded, strict=True):
            if record.key is not None:
                assert partition_of(record.key, world.partitions) == number, "in the partition of its key"
            if isinstance(item, StateMoved) and item.into is not None and not item.erased:
                moves[record.value or b""] += 1
            elif isinstance(item, Event):
                assert record.key
            if isinstance(item, Event | StateHandedOver):
                found[record.value or b""] += 1
            if record.headers:
                assert [name for name, _ in record.headers] == [SENT_ON]
                marked[record.key or b"", record.value or b""] += 1
        places = {record.value: place for place, record in enumerate(records)}
        for order in orders:
            own = [places[value] for value in order if value in places]
            assert own == sorted(own), f"member.events/{number}: not in the order of the source"
    assert found == wanted, f"the log holds {_few(found - wanted)} too many, {_few(wanted - found)} too few"
    assert marked == sent_on, f"{_few(marked - sent_on)} marked for nothing, {_few(sent_on - marked)} not marked"
    assert all(count == 2 + moved_on[value] for value, count in moves.items()), "both sides are told of a move"


def _headers(codec: Codec, topic: str, records: Sequence[Stored]) -> list[Any]:
    return codec.decode_headers([each.value or b"" for each in records], topic)


def _is_far_ahead(world: World, header: Any) -> bool:
    """Whether it was put aside for its time: upstream makes it ten hours, a run lasts less than nine."""
    return world.wall and header.occurred_at > world.clock() + FAR_AHEAD_MS


def _check_control(world: World, number: int, decoded: Sequence[LogRecord | BadRecord]) -> None:
    ticks = [each.occurred_at for each in decoded if isinstance(each, Tick)]
    assert ticks == sorted(ticks), f"member.events/{number}: ticks go back"
    said = world.log.topics[CONTROL][number].committed()
    programmes = world.codec.decode_log([each.value or b"" for each in said], [each.key for each in said])
    expected = [each for each in programmes if isinstance(each, ProgrammeApplied)]
    assert [each for each in decoded if isinstance(each, ProgrammeApplied)] == expected, "programmes"


def _check_outputs(world: World, expected: Sequence[Outgoing], gone: Collection[bytes], *, by_member: bool) -> None:
    """Check what was put out; of a state that was `gone`, the last comes from its heir's partition, in no order."""
    log = world.log
    by_place: dict[tuple[str, int], list[tuple[bytes | None, bytes | None, int]]] = defaultdict(list)
    for each in expected:
        place = (each.topic, partition_of(each.key, len(log.topics[each.topic])))
        by_place[place].append((each.key, each.value, kafka_time(each.at or 0)))
    for topic in COMMAND_TOPICS:
        for number, partition in enumerate(log.topics[topic]):
            noise = world.noise if topic == SENDERS_TOPIC else ()
            own = [each for each in partition.committed() if (number, each.offset) not in noise]
            found = [(each.key, each.value, each.timestamp) for each in own]
            wanted = by_place[topic, number]
            found_gone, wanted_gone = ([each for each in side if each[0] in gone] for side in (found, wanted))
            assert Counter(found_gone) == Counter(wanted_gone), f"{topic}/{number}: {_difference(wanted, found)}"
            found, wanted = ([each for each in side if each[0] not in gone] for side in (found, wanted))
            if by_member:  # a stable sort: each member's own order stays
                found, wanted = sorted(found, key=lambda each: each[0] or b""), sorted(wanted, key=lambda each: each[0])
            assert found == wanted, f"{topic}/{number}: {_difference(wanted, found)}"


def _check_erasures(world: World, runs: Sequence[CalmRun]) -> None:
    told = [each.value or b"" for part in world.log.topics[ERASURES] for each in part.committed()]
    found = Counter(told)
    expected = Counter(world.codec.encode(each) for run in runs for each in run.erasures)
    assert found == expected, f"erasures: {_difference(list(expected.elements()), told)}"


def _check_states(world: World, runs: Sequence[CalmRun]) -> None:
    for number, run in enumerate(runs):
        changelog = world.log.topics[members_changelog(world.settings)][number].committed()
        latest = {each.key: each.value for each in changelog if each.key and not each.key.startswith(RESERVED)}
        latest = comparable({key: value for key, value in latest.items() if value is not None})
        assert latest == run.members, (
            f"changelog/{number}: {_difference(list(run.members.items()), list(latest.items()))}"
        )
    for process in world.owners("members"):
        for number, store in process.stores.items():
            assert comparable(store.files.members) == runs[number].members, (
                f"the store of partition {number} in {process.name}"
            )
            assert store.files.due == store.expected_due(), f"the due index of partition {number} in {process.name}"


def _check_profiles(world: World, runs: Sequence[CalmRun]) -> None:
    if "profiles" not in world.stages:
        return
    for number, run in enumerate(runs):
        expected = {key: profile_value(world.codec, value)[0] for key, value in run.members.items() if is_members(key)}
        records = world.log.topics[MEMBER_PROFILES][number].committed()
        found = {each.key: each.value for each in records}
        assert found == expected, f"profiles/{number}: {_difference(list(expected.items()), list(found.items()))}"
        clocks: dict[bytes | None, int] = {}
        for each, profile in zip(records, world.codec.decode_profiles([r.value or b"" for r in records]), strict=True):
            if not isinstance(profile, BadRecord):
                assert profile.at >= clocks.get(each.key, profile.at), f"profiles/{number}: {each.key!r} goes back"
                clocks[each.key] = profile.at


def _difference(expected: Sequence[Any], found: Sequence[Any]) -> str:
    missing, extra = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
    return f"{len(found)} instead of {len(expected)}; missing {_few(missing)}; too many {_few(extra)}"


def _few(found: Counter[Any]) -> str:
    return f"{sum(found.values())} {list(found)[:2]}" if found else "none"
