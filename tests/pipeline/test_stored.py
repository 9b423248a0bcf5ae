"""Stored history through the workers, whatever goes wrong, gives what `simulate` makes of it, identity included.

All events are in the sources before anybody reads them; the clock follows them. So is what `simulate --in-order` makes
of the log that came about.
"""

import random
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from schemas.codec import BadRecord
from schemas.json_lines import LogPosition
from streams.engine.events import Event, StateHandedOver
from streams.engine.handling import Output
from streams.programme import load
from streams.sealing.envelope import own_key
from streams.simulate import Placed, simulate
from streams.topics import INGEST_INPUTS, MEMBER_EVENTS
from tests.pipeline.check import SOURCES, check
from tests.pipeline.opened import opened
from tests.pipeline.test_pipeline import failures_of
from tests.pipeline.upstream import FIRST
from tests.pipeline.world import COMMAND_TOPICS, START_MS, World

SEEDS_IN_CI = 100
TEST = "tests/pipeline/test_stored.py::test_stored_history_gives_what_simulate_says"
TEST_LATE = "tests/pipeline/test_stored.py::test_so_it_does_if_the_programme_comes_in_the_midst_of_it"


def run(seed: int) -> World:
    return compared(World(seed, is_stored=True), None)


def run_late(seed: int) -> World:
    """The programme comes into force when there are members already."""
    start = START_MS + 15_000 * random.Random(f"late {seed}").randrange(5, 40)
    return compared(World(seed, is_stored=True, first_at=start), start)


def compared(world: World, start: int | None) -> World:
    world.run()
    check(world)
    found = put_out(world)
    secret = b"" if world.keys is None else world.keys.master.naming_secret
    simulated = simulate(load([FIRST]), history(world), until=world.last_at, start=start, secret=secret)
    expected = encoded(world, simulated)
    assert found == expected, difference(world, found, expected)
    from_log = encoded(world, simulate(load([FIRST]), exported(world), until=world.last_at, in_order=True))
    assert found == from_log, difference(world, found, from_log)
    return world


def history(world: World) -> list[Placed]:
    """The events of the sources that are none too odd, in the order in which ingest merges them."""
    found = []
    for topic in SOURCES:
        for number, partition in enumerate(world.log.topics[topic]):
            records = partition.committed()
            values = [each.value or b"" for each in records]
            headers = world.codec.decode_headers(values, topic)
            events = world.codec.decode_log(values, [None for _ in values])
            for record, header, event in zip(records, headers, events, strict=True):
                if not isinstance(header, BadRecord):
                    assert isinstance(event, Event)
                    found.append(((event.occurred_at, INGEST_INPUTS.index(topic), number, record.offset), event))
    return [(event, None) for _, event in sorted(found, key=lambda each: each[0])]


def exported(world: World) -> list[Placed]:
    """The log as `rekindle log --export` has it: partitions merged by how far time has come in each."""
    found: list[tuple[int, int, int, Placed]] = []
    for number in range(world.partitions):
        records = opened(world, number)
        decoded: list[Any] = world.codec.decode_log([each.value or b"" for each in records], [e.key for e in records])
        reached = 0
        for record, item in zip(records, decoded, strict=True):
            reached = max(reached, item.occurred_at)
            key = None if record.key is None else record.key.decode()
            place = LogPosition(partition=number, offset=record.offset, key=key)
            found.append((reached, number, record.offset, (item, place)))
    return [placed for *_, placed in sorted(found, key=lambda each: each[:3])]


def encoded(world: World, output: Iterable[Output]) -> Counter[bytes]:
    return Counter(world.codec.encode(each) for each in output)


def put_out(world: World) -> Counter[bytes]:
    return Counter(
        each.value or b"" for topic in COMMAND_TOPICS for part in world.log.topics[topic] for each in part.committed()
    )


def difference(world: World, found: Counter[bytes], expected: Counter[bytes]) -> str:
    sides = [world.codec.decode_commands([*side][:2]) for side in (found - expected, expected - found)]
    return f"too many {sides[0]}, missing {sides[1]}"


@pytest.mark.timeout(3600)
def test_stored_history_gives_what_simulate_says() -> None:
    assert failures_of(run, TEST, SEEDS_IN_CI) == []


@pytest.mark.timeout(3600)
def test_so_it_does_if_the_programme_comes_in_the_midst_of_it() -> None:
    assert failures_of(run_late, TEST_LATE, SEEDS_IN_CI) == []


def test_states_are_handed_over_in_these_histories() -> None:
    placed = exported(run(5))
    assert any(isinstance(item, StateHandedOver) and item.state is not None for item, _ in placed)


def test_states_come_too_late_for_an_erasure_in_these_histories() -> None:
    world = World(6, is_stored=True)
    world.run()
    records = (each for part in world.log.topics[MEMBER_EVENTS] for each in part.committed())
    assert any(own_key(each.value) for each in records)
