"""What must hold at the end of a run, whatever went wrong in it.

1. Every record of the sources is once in `member.events`, in its partition and in its order; what doesn't belong into
   its partition was handed on once, what is unfit stands once in `dead.letters`. Ticks never go back.
2. What the members stage put out is, record for record, what the pure engine says to the same `member.events`, read
   from beginning to end without interruption; where ticks stay open, in the order of each member's. So is every
   member's state, in the changelog and in the local stores.
3. The last profile of each member is what the last state of theirs amounts to, and nobody else has one; profiles of a
   member never go back.
4. What is personal is sealed, and the keys of erased members are gone: `tests.pipeline.opened`.
5. What the senders did with it: `tests.pipeline.check_senders`.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from schemas.codec import BadRecord, Codec
from schemas.erasure import Erasure
from streams.engine.events import Event, ProgrammeApplied, Tick
from streams.ingest.partitions import partition_of
from streams.members.emit import Outgoing, encode_commands
from streams.members.engine import Engine
from streams.members.record import RESERVED, pack
from streams.members.step import DUE_MAX
from streams.profiles.make import is_members, profile_value
from streams.runtime.transactions import kafka_time
from streams.topics import CONTROL, DEAD_LETTERS, ERASURES, INGEST_INPUTS, MEMBER_PROFILES, members_changelog
from tests.pipeline.check_senders import STATUSES, check_senders, reported, unreadable
from tests.pipeline.opened import check_sealed, opened
from tests.pipeline.partition import Stored
from tests.pipeline.upstream import PROGRAMME_FILES
from tests.pipeline.world import COMMAND_TOPICS, SENDERS_TOPIC, World

SOURCES = tuple(topic for topic in INGEST_INPUTS if topic != CONTROL)
FAR_AHEAD_MS = 3_600_000


class CalmRun:
    """The pure engine over one partition of the log: members in a dictionary, timers found by looking at all."""

    def __init__(self, engine: Engine, codec: Codec) -> None:
        self._engine = engine
        self._codec = codec
        self._states: dict[str, Any] = {}
        self._programme = engine.load([], 0)
        self._tick_at: int | None = None
        self.out: list[Outgoing] = []
        self.erasures: list[Erasure] = []

    def handle(self, records: Sequence[Stored]) -> None:
        """Handle the records of a partition."""
        decoded = self._codec.decode_log([each.value or b"" for each in records], [each.key for each in records])
        for record, item in zip(records, decoded, strict=True):
            if isinstance(item, Event):
                self._event((record.key or b"").decode(), item)
            elif isinstance(item, Tick):
                self._tick(item)
            else:
                assert isinstance(item, ProgrammeApplied), item
                self._apply(item)

    def _event(self, key: str, event: Event) -> None:
        state = self._states.setdefault(key, self._engine.new(key))
        self._put(self._engine.handle(self._programme, state, event, tick_at=self._tick_at))
        erased_at = self._engine.erased_at(state)
        if event.type == "member_erased" and erased_at is not None:
            self.erasures.append(Erasure(at=erased_at, member_id=key, occurred_at=event.occurred_at))

    def _tick(self, tick: Tick) -> None:
        due = sorted(
            (state.next_due(), key.encode()) for key, state in self._states.items() if state.next_due() is not None
        )
        for at, key in due:
            if at <= tick.occurred_at:
                state = self._states[key.decode()]
                self._put(self._engine.advance(self._programme, state, tick.occurred_at, wall=tick.wall))
        self._tick_at = max(tick.occurred_at, self._tick_at or tick.occurred_at)

    def _apply(self, applied: ProgrammeApplied) -> None:
        programme = self._engine.load(list(PROGRAMME_FILES[: applied.programme]), applied.programme)
        for key in sorted(self._states, key=str.encode):
            state = self._states[key]
            due = self._engine.advance(self._programme, state, applied.occurred_at, wall=False)
            adopted = self._engine.adopt(programme, state, applied.occurred_at, tick_at=self._tick_at)
            self._put([*due, *adopted])
        self._programme = programme

    def _put(self, commands: Sequence[Any]) -> None:
        self.out.extend(encode_commands(self._codec, commands))

    @property
    def members(self) -> dict[bytes, bytes]:
        """Every member's record, as the stores keep it."""
        return {key.encode(): pack(state.next_due(), self._engine.encode(state)) for key, state in self._states.items()}


def check(world: World) -> None:
    """Check a run that has come to its end."""
    runs = []
    for number in range(world.partitions):
        run = CalmRun(world.engine, world.codec)
        run.handle(opened(world, number))
        runs.append(run)
    reentered = [each for run in runs for each in run.out if each.topic in SOURCES]
    _check_ingest(world, reentered)
    out = [each for run in runs for each in run.out if each.topic not in SOURCES]
    _check_outputs(world, out, by_member=world.due_max < DUE_MAX)
    _check_states(world, runs)
    _check_profiles(world, runs)
    check_senders(world)
    check_sealed(world)
    _check_erasures(world, runs)


def _check_ingest(world: World, reentered: Sequence[Outgoing]) -> None:
    log, codec = world.log, world.codec
    expected = Counter((each.topic, each.value) for each in [*world.published, *reentered])
    expected.update((STATUSES, value) for value in reported(world))
    found: Counter[tuple[str, bytes]] = Counter()
    unfit = set(unreadable(world))
    for topic in SOURCES:
        for number, partition in enumerate(log.topics[topic]):
            records = partition.committed()
            found.update((topic, each.value or b"") for each in records)
            at_home = []
            for record, header in zip(records, _headers(codec, topic, records), strict=True):
                if isinstance(header, BadRecord) or _is_far_ahead(world, header):
                    unfit.add((topic, number, record.offset))
                elif partition_of(header.key.encode(), world.partitions) != number:
                    expected[topic, record.value or b""] += 1
                else:
                    at_home.append((header.key.encode(), record.value, kafka_time(header.occurred_at)))
            _check_order(world, topic, number, at_home)
    assert found == expected, f"the sources hold {found - expected} too many, {expected - found} too few"
    letters = codec.decode_dead_letters(
        [each.value or b"" for part in log.topics[DEAD_LETTERS] for each in part.committed()]
    )
    found_letters = sorted((each.topic, each.partition, each.offset) for each in letters)
    assert found_letters == sorted(unfit), f"dead letters: {_difference(sorted(unfit), found_letters)}"
    for number in range(world.partitions):
        _check_control(world, number, opened(world, number))


def _headers(codec: Codec, topic: str, records: Sequence[Stored]) -> list[Any]:
    return codec.decode_headers([each.value or b"" for each in records], topic)


def _is_far_ahead(world: World, header: Any) -> bool:
    """Whether it was put aside for its time: upstream makes it ten hours, a run lasts less than nine."""
    return world.wall and header.occurred_at > world.clock() + FAR_AHEAD_MS


def _check_order(world: World, topic: str, number: int, expected: Sequence[tuple[bytes, bytes | None, int]]) -> None:
    records = opened(world, number)
    headers = _headers(world.codec, topic, records)
    found = [
        (each.key, each.value, each.timestamp)
        for each, header in zip(records, headers, strict=True)
        if not isinstance(header, BadRecord)
    ]
    assert found == list(expected), f"member.events/{number}: the records of {topic} are {_difference(expected, found)}"


def _check_control(world: World, number: int, records: Sequence[Stored]) -> None:
    decoded = world.codec.decode_log([each.value or b"" for each in records], [each.key for each in records])
    ticks = [each.occurred_at for each in decoded if isinstance(each, Tick)]
    assert ticks == sorted(ticks), f"member.events/{number}: ticks go back"
    said = world.log.topics[CONTROL][number].committed()
    programmes = world.codec.decode_control([each.value or b"" for each in said])
    expected = [each for each in programmes if isinstance(each, ProgrammeApplied)]
    assert [each for each in decoded if isinstance(each, ProgrammeApplied)] == expected, "programmes"


def _check_outputs(world: World, expected: Sequence[Outgoing], *, by_member: bool) -> None:
    log = world.log
    by_place: dict[tuple[str, int], list[tuple[bytes | None, bytes | None, int]]] = defaultdict(list)
    for each in expected:
        place = (each.topic, partition_of(each.key, len(log.topics[each.topic])))
        by_place[place].append((each.key, each.value, kafka_time(each.at)))
    for topic in COMMAND_TOPICS:
        for number, partition in enumerate(log.topics[topic]):
            noise = world.noise if topic == SENDERS_TOPIC else ()
            own = [each for each in partition.committed() if (number, each.offset) not in noise]
            found = [(each.key, each.value, each.timestamp) for each in own]
            wanted = by_place[topic, number]
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
        assert latest == run.members, (
            f"changelog/{number}: {_difference(list(run.members.items()), list(latest.items()))}"
        )
    for process in world.owners("members"):
        for number, store in process.stores.items():
            assert store.files.members == runs[number].members, f"the store of partition {number} in {process.name}"
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
