"""The whole pipeline in one process, with everything that can go wrong, by seeds; see `tests.pipeline.world`.

More seeds than CI runs:

    REKINDLE_TEST_SEEDS=5000 make test TESTS=tests/pipeline/test_pipeline.py

A seed that fails is named with the command that runs it alone; what it found is fixed, and the seed kept in `KEPT`.
"""

import os
from collections.abc import Callable

import pytest

from schemas.codec import Header
from streams.members.step import DUE_MAX
from streams.profiles import stage as profiles_stage
from streams.sealing.envelope import is_sealed, own_key
from streams.topics import MEMBER_EVENTS, MEMBER_KEYS
from tests.pipeline.check import check
from tests.pipeline.opened import opened
from tests.pipeline.world import PLACES, PROFILES_PLACES, World

SEEDS_IN_CI = 200
FIRST = int(os.environ.get("REKINDLE_TEST_FIRST_SEED", "0"))
FAILURES_MAX = 5
MINES = 6
RERUN = 'REKINDLE_TEST_FIRST_SEED={seed} REKINDLE_TEST_SEEDS=1 make test TESTS="{test}"'
TEST = "tests/pipeline/test_pipeline.py::test_faults_leave_no_trace"
KEPT = {
    99: "an answer of the broker that is lost in recovery, and a changelog compacted meanwhile",
    882: "a process under a name that another has taken wakes up when all is done",
}
UNSENT = (172, 338, 973)
"""A process sleeps when its offsets were taken and its records weren't sent yet, and its heir recovers meanwhile."""
MERGED = {27: None, 33: None, 56: None, 153: None, 324: None, 19: True, 293: True, 1129: True, 1266: True}
"""Whether sealed. Tasks that don't know of each other's mergers give a member to two, or two to each other."""
MERGING_TEST = "tests/pipeline/test_pipeline.py::test_members_that_are_merged_at_once_lose_nothing"
MERGING_SEEDS_IN_CI = 60


def run(seed: int, due_max: int | None = None, *, profiles: bool = True, programmes: int = 3) -> World:
    world = World(seed, due_max=due_max, profiles=profiles, programmes=programmes)
    world.run()
    check(world)
    return world


def failures_of(run: Callable[[int], object], test: str, in_ci: int = SEEDS_IN_CI) -> list[str]:
    """Run the seeds; say of each that failed what it found, and how it is run alone."""
    failures: list[str] = []
    for seed in range(FIRST, FIRST + int(os.environ.get("REKINDLE_TEST_SEEDS", in_ci))):
        try:
            run(seed)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other seeds are looked at, too
            rerun = RERUN.format(seed=seed, test=test)
            failures.append(f"seed {seed}: {type(error).__name__}: {str(error)[:500]}\n    {rerun}")
            if len(failures) == FAILURES_MAX:
                break
    return failures


@pytest.mark.timeout(3600)
def test_faults_leave_no_trace() -> None:
    """Each seed's outputs and states are those of a calm run over the same log, and the log has each record once."""
    assert failures_of(run, TEST) == []


@pytest.mark.parametrize("seed", KEPT)
def test_what_a_seed_once_found_stays_fixed(seed: int) -> None:
    world = run(seed, DUE_MAX, profiles=False, programmes=2)  # more of either would make another history of it
    assert world.published


@pytest.mark.parametrize("seed", UNSENT)
def test_records_that_come_after_their_offsets_are_waited_for(seed: int) -> None:
    world = World(seed, only=("sleep", "spawn", "stop"))
    world.run()
    check(world)


def run_merging(seed: int, *, sealed: bool | None = None) -> None:
    world = World(seed, merges=True, sealed=sealed)
    world.run()
    check(world)


def test_members_that_are_merged_at_once_lose_nothing() -> None:
    assert failures_of(run_merging, MERGING_TEST, MERGING_SEEDS_IN_CI) == []


@pytest.mark.parametrize(("seed", "sealed"), MERGED.items())
def test_what_mergers_at_once_once_lost_is_kept(seed: int, sealed: bool | None) -> None:
    run_merging(seed, sealed=sealed)


def test_members_merged_in_a_circle_wait_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them, by two tasks; the checks say that they have what they had, and that all others go on."""
    monkeypatch.setattr(profiles_stage, "MEMBERS_MAX", 1)  # it makes this history of the seed
    world = World(61, records=150, only=("kill", "lose"), profiles=True)
    world.run()
    assert sorted(check(world)) == ["m0", "m1", "m2"]


def test_sealing_is_among_the_seeds_and_destroys_keys() -> None:
    """The checks above say that sealing did no harm; here it is seen that there was any."""
    world = World(4, records=150, sealed=True)
    world.run()
    check(world)
    records = [each for part in world.log.topics[MEMBER_KEYS] for each in part.committed()]
    assert sum(each.value is None for each in records) > 3
    assert sum(is_sealed(each.value) for part in world.log.topics[MEMBER_EVENTS] for each in part.committed()) > 20
    assert sum(World(seed).keys is not None for seed in range(SEEDS_IN_CI)) > SEEDS_IN_CI / 5
    assert not any(World(seed).keys for seed in KEPT)


def test_what_comes_too_late_for_an_erasure_is_read_once() -> None:
    world = World(8)
    world.run()
    check(world)
    found = 0
    for number, partition in enumerate(world.log.topics[MEMBER_EVENTS]):
        headers = world.codec.decode_headers([each.value or b"" for each in opened(world, number)])
        pairs = zip(partition.committed(), headers, strict=True)
        found += sum(isinstance(header, Header) and bool(own_key(record.value)) for record, header in pairs)
    assert found > 0


def test_a_seed_is_one_history() -> None:
    """Nothing but the seed decides, so that a failure comes again."""

    def history(seed: int) -> list[object]:
        world = run(seed)
        return [world.trace, *(part.records for parts in world.log.topics.values() for part in parts)]

    assert history(11) == history(11)
    assert history(11) != history(12)


def test_processes_die_around_every_step_of_a_commit_and_of_taking_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles_stage, "MEMBERS_MAX", 1)  # it commits what it reads, else it seldom does
    killed: set[str] = set()
    places = {*PLACES, *PROFILES_PLACES}
    for seed in range(200):
        world = World(seed, records=150, only=("kill", "lose"), profiles=True)
        world.mines |= set(sorted(places - killed)[:MINES])  # chance alone comes to the rarest after hundreds of seeds
        world.run()
        check(world)
        killed |= world.killed_at
        if killed >= places:
            break
    assert places - killed == set()


def test_processes_die_while_a_programme_is_open() -> None:
    """Every member has adopted it once all the same, each as where it stands in the log: the check says so."""
    died = 0
    for seed in range(40):
        world = World(seed, due_max=1 + seed % 2, only=("kill", "lose", "compact"), stormy_steps=2500)
        world.run()
        check(world)
        died += "adopting" in world.killed_at
    assert died > 5
