"""However a log is cut into batches and transactions, members end up the same, and what was put out is the same.

The step of the members stage, with the real engine, goes through the logs of several partitions twice: once calmly, a
batch and a transaction for all there is; once in pieces that Hypothesis chooses, several partitions' together, with
few members in memory and few fired at a time, restarts from what the store holds, and deaths before a commit, after
which the same records come again. The second log holds some events more than once.

Ticks and new programmes stand in the logs, too. Where a tick finds more members due than are fired at once, they may
come after others: then the order is that of each member's records, else that of the partition.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.engine.events import LogRecord, ProgrammeApplied, Tick
from streams.members import step as step_module
from streams.members.emit import Outgoing
from streams.members.engine import RealEngine
from streams.members.programmes import Programmes
from streams.members.step import DUE_MAX, MemberStep, Part
from streams.programme import Programme, load
from tests.pipeline.store import MemoryStore
from tests.properties.everything import CAMPAIGNS, FILES, UNTIL, streams
from tests.simulation.support import bundle

CODEC = Codec(CommittedSchemas())
ENGINE = RealEngine()
PARTITIONS = (("m", "n", "o"), ("p", "q"), ("r",))
FIRST_MS = 1_514_808_000_000  # 2018-01-01T12:00:00Z, when all members register
HOUR_MS = 3_600_000
ROUNDS_MAX = 12
FATES = ("go on", "restart", "restart", "work off", "die")


@cache
def programme(number: int) -> Programme:
    """Number 1 is everything; 2 lacks a campaign, has one more and differs in two; 0 is before them."""
    later = {name: text for name, text in CAMPAIGNS.items() if name != "order"}
    later["back"] = later["back"].replace("P2D", "PT6H")
    later["daily"] = later["daily"].replace("template: a", "template: b")
    later["new"] = "trigger: {event: site_visited}\nactions: [{wait: PT2H}, {send: {channel: push, template: b}}]"
    bundles = [bundle(FILES, **CAMPAIGNS), bundle(FILES, **later)]
    return load(bundles[:number], number) if number else ENGINE.load([], 0)


class Compiled(Programmes):
    """Programmes that need no topic."""

    def __init__(self) -> None:
        self._loaded = {number: programme(number) for number in range(3)}


class Placed(NamedTuple):
    """A record as the stage is given it."""

    offset: int
    key: bytes | None
    value: bytes


class Way(NamedTuple):
    """How the logs are gone through: how many records of each partition a round takes, and what befalls it then."""

    rounds: Sequence[tuple[Sequence[int], str, int]] = ()  # records, fate, commits until a death
    members_max: int = step_module.MEMBERS_MAX
    due_max: int = DUE_MAX
    recent_max: int = 0


class DeathError(Exception):
    """The process ends; nothing of the transaction in hand remains."""


class Workers:
    """Steps over stores in memory, and everything that was committed."""

    def __init__(self, logs: Sequence[Sequence[LogRecord]], way: Way) -> None:
        self._way = way
        self._logs = [_placed(log) for log in logs]
        self.stores = [MemoryStore(Path(str(number))) for number in range(len(logs))]
        self.positions = [0 for _ in logs]
        self.outputs: list[list[Outgoing]] = [[] for _ in logs]
        self.dead: list[str] = []
        self._commits_left: int | None = None
        self._restart()

    def run(self) -> None:
        """Go the way, then handle what is left, and what open ticks have left."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(step_module, "MEMBERS_MAX", self._way.members_max)
            for counts, fate, commits in self._way.rounds:
                self._commits_left = commits if fate == "die" else None
                try:
                    self._take(counts)
                except DeathError:
                    event("died")
                    self._restart()
                if fate == "restart":
                    self._restart()
                elif fate == "work off":
                    self._work_off()
            self._commits_left = None
            self._take([len(log) for log in self._logs])
            while any(step.is_behind for step in self._steps):
                event("ticks or a programme were open at the end")
                self._work_off()

    def _restart(self) -> None:
        self.stores = deepcopy(self.stores)
        self._steps = [
            MemberStep(
                number,
                store,
                codec=CODEC,
                engine=ENGINE,
                programmes=Compiled(),
                flush=self._flush,
                recent_max=self._way.recent_max,
                due_max=self._way.due_max,
            )
            for number, store in enumerate(self.stores)
        ]

    def _take(self, counts: Sequence[int]) -> None:
        """Handle so many records of each partition, in one transaction but for what is committed on the way."""
        touched = []
        for number, count in enumerate(counts):
            start = self.positions[number]
            if records := self._logs[number][start : start + count]:
                self._steps[number].decide(records, start + len(records))
                touched.append(self._steps[number])
        if touched:
            self._flush([step.part() for step in touched])
        for step in touched:
            step.committed()

    def _work_off(self) -> None:
        for step, position in zip(self._steps, self.positions, strict=True):
            step.work_off(position)

    def _flush(self, parts: Sequence[Part]) -> None:
        if self._commits_left == 0:
            raise DeathError
        if self._commits_left is not None:
            self._commits_left -= 1
        for part in parts:
            store = self.stores[part.partition]
            changes = [*part.overlay.changes(), *((key, value, None) for key, value in part.effects.meta.items())]
            store.write(changes, (store.changelog_offset or 0) + 1)
            self.positions[part.partition] = part.next_offset
            self.outputs[part.partition] += part.effects.records
            self.dead += [reason for _, reason, _ in part.effects.dead]


def _placed(log: Iterable[LogRecord]) -> list[Placed]:
    return [
        Placed(offset, None if isinstance(item, Tick | ProgrammeApplied) else item.key.encode(), CODEC.encode(item))
        for offset, item in enumerate(log)
    ]


@st.composite
def logs(draw: st.DrawFn) -> tuple[list[list[LogRecord]], list[list[LogRecord]]]:
    """The logs of all partitions, without and with repeated events."""
    plain, repeating = [], []
    for members in PARTITIONS:
        log: list[LogRecord] = [ProgrammeApplied(occurred_at=FIRST_MS, programme=1), *draw(streams(members, 20))]
        hours = sorted(draw(st.lists(st.integers(0, 7 * 24), max_size=4)))
        places = sorted(draw(st.integers(1, len(log))) for _ in hours)
        for hour, place in zip(reversed(hours), reversed(places), strict=True):
            log.insert(place, Tick(occurred_at=FIRST_MS + hour * HOUR_MS, wall=draw(st.booleans())))
        if draw(st.booleans()):
            log.insert(draw(st.integers(2, len(log))), ProgrammeApplied(occurred_at=FIRST_MS, programme=2))
        again = list(log)
        events = [item for item in log if not isinstance(item, Tick | ProgrammeApplied)]
        for chosen, ahead in draw(st.lists(st.tuples(st.sampled_from(events), st.integers(1, 20)), max_size=5)):
            again.insert(again.index(chosen) + ahead, chosen)
        last = Tick(occurred_at=UNTIL, wall=False)
        plain.append([*log, last])
        repeating.append([*again, last])
    return plain, repeating


_counts = st.tuples(*(st.integers(0, 12) for _ in PARTITIONS))
ways = st.builds(
    Way,
    rounds=st.lists(st.tuples(_counts, st.sampled_from(FATES), st.integers(0, 3)), max_size=ROUNDS_MAX),
    members_max=st.sampled_from([1, 2, step_module.MEMBERS_MAX]),
    due_max=st.sampled_from([1, 2, DUE_MAX]),
    recent_max=st.sampled_from([0, 1, 100]),
)


def states(workers: Workers) -> list[tuple[dict[bytes, bytes], dict[bytes, bytes]]]:
    """What each partition keeps: members, and the stage's own records."""
    return [(store.files.members, store.files.meta) for store in workers.stores]


def by_member(records: Iterable[Outgoing]) -> dict[Any, list[Outgoing]]:
    """The records of each topic and member, in their order."""
    found = defaultdict(list)
    for record in records:
        found[record.topic, record.key].append(record)
    return found


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(logs(), ways)
def test_wherever_a_log_is_cut_and_whatever_comes_twice_nothing_changes(
    drawn: tuple[list[list[LogRecord]], list[list[LogRecord]]], way: Way
) -> None:
    plain, repeating = drawn
    calm, cut = Workers(plain, Way()), Workers(repeating, way)
    calm.run()
    cut.run()
    assert cut.dead == calm.dead == []
    order: Callable[[list[Outgoing]], object] = list if way.due_max == DUE_MAX else by_member
    for expected, found in zip(calm.outputs, cut.outputs, strict=True):
        assert order(found) == order(expected)
    assert states(cut) == states(calm)
    for store in (*calm.stores, *cut.stores):
        assert store.files.due == store.expected_due()
    assert sum(map(len, calm.outputs)) > 0
