"""The simulation can fail: with one promise of the pipeline or of the log broken by hand, a seed finds it."""

from collections.abc import Callable

import pytest

from streams.ingest import shared_links
from streams.ingest.merge import Merge
from streams.members import stage as members_stage
from streams.members.adoption import Adoption
from streams.members.moves import Moves
from streams.members.record import ADOPTED, ADOPTING, OPEN, RESERVED, TICK
from streams.members.step import MemberStep
from streams.members.ticks import OpenTicks
from streams.profiles import stage as profiles_stage
from streams.profiles.make import is_members
from streams.profiles.stage import ProfilesStage
from streams.runtime.tenure import Tenure
from streams.runtime.transactions import Transaction
from tests.pipeline import test_stored
from tests.pipeline.check import check
from tests.pipeline.groups import Group
from tests.pipeline.log import Log
from tests.pipeline.producer import MemoryProducer, decode_group_metadata
from tests.pipeline.world import World

SEEDS_MAX = 300

Patch = Callable[[pytest.MonkeyPatch], None]


def offsets_outside_of_the_transaction(patch: pytest.MonkeyPatch) -> None:
    def send(self, positions, group, timeout=-1):
        name, *member = decode_group_metadata(group)
        self._send()
        self._raise_if_spoilt()
        offsets = {(each.topic, each.partition): (each.offset, each.metadata or "") for each in positions}

        def settle():
            self._log.group(name).check(*member)
            self._log.group(name).offsets.update(offsets)

        self._request("send_offsets", settle)

    patch.setattr(MemoryProducer, "send_offsets_to_transaction", send)


def no_fence_in_recovery(patch: pytest.MonkeyPatch) -> None:
    def ends(kafka, topic, partitions):
        return {each: kafka._log.topics[topic][each].stable_end - 1 for each in partitions}

    patch.setattr(members_stage, "write_fences", ends)
    patch.setattr(shared_links, "write_fences", ends)


def offsets_of_who_lost_its_place(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Group, "check", lambda *_arguments: None)


def offsets_that_are_still_undecided(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Log, "stable_offset", lambda self, group, place: self.group(group).offsets.get(place))


def offsets_of_what_waits_to_be_merged(patch: pytest.MonkeyPatch) -> None:
    def read_to(self):
        return {topic: source.read_to for topic, source in self._inputs.items()}

    patch.setattr(Merge, "next_offsets", read_to)


def a_position_that_is_not_sought(patch: pytest.MonkeyPatch) -> None:
    original = Tenure.find_positions

    def behind(self, generation, assigned):
        return {place: position + 1 for place, position in original(self, generation, assigned).items()}

    patch.setattr(Tenure, "find_positions", behind)


def a_tick_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = MemberStep.part

    def forget(self):
        self._effects.meta.pop(TICK, None)
        return original(self)

    patch.setattr(MemberStep, "part", forget)


def open_ticks_that_are_forgotten(patch: pytest.MonkeyPatch) -> None:
    original = MemberStep.part

    def forget(self):
        self._effects.meta.pop(OPEN, None)
        return original(self)

    patch.setattr(MemberStep, "part", forget)


def events_that_overtake_an_open_tick(patch: pytest.MonkeyPatch) -> None:
    """A member's own event is handled before what the tick has made due."""
    original = MemberStep._handle_event

    def overtake(self, record, event):
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(self, "_fire_open", lambda member: None)
            original(self, record, event)

    patch.setattr(MemberStep, "_handle_event", overtake)


def open_ticks_that_become_one(patch: pytest.MonkeyPatch) -> None:
    """What an earlier tick has made due is fired by the last: late by the clock, it would happen then."""
    patch.setattr(OpenTicks, "first_for", lambda self, due: self._ticks[-1])


def a_programme_that_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes a partition over doesn't know that members are still to adopt it."""
    original = MemberStep.part

    def forget(self):
        if self._effects.meta.get(ADOPTING) is not None:
            self._effects.meta[ADOPTING] = None
        return original(self)

    patch.setattr(MemberStep, "part", forget)


def members_who_adopt_a_programme_twice(patch: pytest.MonkeyPatch) -> None:
    """Whoever takes a partition over doesn't know who was touched before their turn."""
    original = MemberStep.part

    def forget(self):
        for key in [each for each in self._effects.meta if each.startswith(ADOPTED)]:
            del self._effects.meta[key]
        return original(self)

    patch.setattr(MemberStep, "part", forget)


def events_that_overtake_a_programme(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Adoption, "touch", lambda *_arguments: None)


def a_programme_for_those_who_came_after_it(patch: pytest.MonkeyPatch) -> None:
    original = Adoption.touch

    def touch(self, member):
        if member.encoded is not None:
            original(self, member)

    patch.setattr(Adoption, "touch", touch)


def a_state_from_elsewhere(patch: pytest.MonkeyPatch) -> None:
    """Recovery believes the local store, whatever the changelog says."""
    patch.setattr(members_stage, "recover_store", lambda *_arguments, **_options: 0)


def one_partition_of_a_transaction(patch: pytest.MonkeyPatch) -> None:
    """The offsets of the others that it holds records of are left out."""
    original = Transaction.commit

    def commit(self, offsets, group):
        return original(self, offsets[:1] if self._stage == "members" else offsets, group)

    patch.setattr(Transaction, "commit", commit)


def profiles_of_the_first_record(patch: pytest.MonkeyPatch) -> None:
    """Of records that wait together the first is carried on, not the last."""

    def take(self, batch):
        self._read_to[batch.partition] = batch.end
        for record in batch.records:
            if is_members(record.key):
                self._waiting.setdefault(record.key, record)

    patch.setattr(ProfilesStage, "_take", take)


def profiles_that_wait_while_they_are_committed(patch: pytest.MonkeyPatch) -> None:
    """The offset of what waits is committed, and what waits is lost with the process."""
    original = ProfilesStage._commit

    def commit(self, group):
        waits = dict(list(self._waiting.items())[1:])
        self._waiting = dict(list(self._waiting.items())[:1])
        original(self, group)
        self._waiting, self._since = waits, self._monotonic() if waits else None

    patch.setattr(ProfilesStage, "_commit", commit)


def profiles_of_strangers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(profiles_stage, "is_members", lambda key: not key.startswith(RESERVED))


def members_who_do_not_wait_for_a_state(patch: pytest.MonkeyPatch) -> None:
    original = Moves.detains

    def hurry(self, member, record, at, tick_at):
        return member.moved_to is not None and original(self, member, record, at, tick_at)

    patch.setattr(Moves, "detains", hurry)


def links_that_are_not_in_their_changelog(patch: pytest.MonkeyPatch) -> None:
    original = Transaction.produce_changelog

    def leave_out(self, topic, changes, *, partition):
        kept = [] if "identity" in topic and len(changes) > 1 else changes
        original(self, topic, kept or changes[:1], partition=partition)

    patch.setattr(Transaction, "produce_changelog", leave_out)


def events_sent_on_without_a_mark(patch: pytest.MonkeyPatch) -> None:
    original = Transaction.produce

    def produce(self, *record, headers=(), **options):
        original(self, *record, **options)

    patch.setattr(Transaction, "produce", produce)


SABOTAGES: tuple[Patch, ...] = (
    offsets_outside_of_the_transaction,
    no_fence_in_recovery,
    offsets_of_who_lost_its_place,
    offsets_that_are_still_undecided,
    offsets_of_what_waits_to_be_merged,
    a_position_that_is_not_sought,
    a_tick_that_is_forgotten,
    open_ticks_that_are_forgotten,
    events_that_overtake_an_open_tick,
    open_ticks_that_become_one,
    a_state_from_elsewhere,
    one_partition_of_a_transaction,
    profiles_of_the_first_record,
    profiles_that_wait_while_they_are_committed,
    profiles_of_strangers,
    members_who_do_not_wait_for_a_state,
    events_sent_on_without_a_mark,
)
OF_OPEN_TICKS = (open_ticks_that_are_forgotten, events_that_overtake_an_open_tick)
OF_PROGRAMMES: tuple[Patch, ...] = (
    a_programme_that_is_forgotten,
    members_who_adopt_a_programme_twice,
    events_that_overtake_a_programme,
    a_programme_for_those_who_came_after_it,
)
OF_STORED_HISTORY: tuple[Patch, ...] = (links_that_are_not_in_their_changelog, members_who_do_not_wait_for_a_state)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
def test_what_is_broken_by_hand_is_found(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    due_max = 1 if sabotage in OF_OPEN_TICKS else None  # else few ticks are open when it matters
    for seed in range(SEEDS_MAX):
        world = World(seed, due_max=due_max, profiles=sabotage.__name__.startswith("profiles"))
        try:
            world.run()
            check(world)
        except AssertionError:
            return
    raise AssertionError(f"{sabotage.__name__} went unnoticed for {SEEDS_MAX} seeds")


@pytest.mark.parametrize("sabotage", OF_PROGRAMMES, ids=lambda sabotage: sabotage.__name__)
def test_what_is_broken_of_programmes_is_found(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    for seed in range(SEEDS_MAX):
        world = World(seed, due_max=1, only=("kill",), stormy_steps=2500)
        try:
            world.run()
            check(world)
        except AssertionError:
            return
    raise AssertionError(f"{sabotage.__name__} went unnoticed for {SEEDS_MAX} seeds")


@pytest.mark.parametrize("sabotage", OF_STORED_HISTORY, ids=lambda sabotage: sabotage.__name__)
def test_what_is_broken_of_identity_is_found(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    for seed in range(SEEDS_MAX):
        try:
            test_stored.run(seed)
        except AssertionError:
            return
    raise AssertionError(f"{sabotage.__name__} went unnoticed for {SEEDS_MAX} seeds")
