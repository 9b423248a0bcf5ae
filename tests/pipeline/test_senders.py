"""The senders of a channel in the simulation, with everything around them that can go wrong, by seeds.

More seeds than CI runs:

    REKINDLE_TEST_SEEDS=5000 make test TESTS=tests/pipeline/test_senders.py
"""

from collections.abc import Callable

import pytest

from sinks.senders import worker
from sinks.senders.ledger import Ledger
from sinks.senders.progress import Progress
from sinks.senders.statuses import TOPIC as STATUSES
from sinks.senders.statuses import status
from sinks.senders.transaction import Transactions
from sinks.senders.worker import Sender
from tests.pipeline.check import check
from tests.pipeline.test_pipeline import failures_of
from tests.pipeline.world import SENDER_PLACES, World

TEST = "tests/pipeline/test_senders.py::test_every_dispatch_has_one_outcome_whatever_goes_wrong"
SEEDS_MAX = 150


def run(seed: int) -> World:
    world = World(seed, senders=True)
    world.run()
    check(world)
    return world


@pytest.mark.timeout(3600)
def test_every_dispatch_has_one_outcome_whatever_goes_wrong() -> None:
    assert failures_of(run, TEST, in_ci=60) == []


def test_a_seed_is_one_history() -> None:
    def history(seed: int) -> list[object]:
        world = run(seed)
        assert world.counterpart is not None
        return [world.trace, world.counterpart.arrived, *(part.records for part in world.log.topics["send.sms"])]

    assert history(14) == history(14)
    assert history(14) != history(15)


def test_few_of_all_dispatches_are_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait in the topic: reading stops while enough of them do here, or enough are begun."""
    monkeypatch.setattr(worker, "WAITING_MAX", 3)
    monkeypatch.setattr(worker, "BEGUN_MAX", 4)
    read, held = Sender._read, []

    def watched(sender: Sender) -> None:
        read(sender)
        partitions = sender._partitions.values()
        begun = max((each.progress.begun for each in partitions), default=0)
        held.append((sum(len(each.waiting) for each in partitions), begun))

    monkeypatch.setattr(Sender, "_read", watched)
    world = run(3)
    assert sum(len(part.committed()) for part in world.log.topics["send.sms"]) > 20
    assert max(waiting for waiting, _ in held) == 3
    assert max(begun for _, begun in held) <= 4 + 2 * 3  # of the offsets some are of no record


def test_senders_die_around_every_step_of_a_cycle_and_of_taking_over() -> None:
    killed: set[str] = set()
    for seed in range(300):
        world = World(seed, records=100, only=("kill", "lose"), senders=True)
        world.run()
        check(world)
        killed |= world.killed_at
        if killed >= set(SENDER_PLACES):
            break
    assert set(SENDER_PLACES) - killed == set()


Patch = Callable[[pytest.MonkeyPatch], None]


def a_hand_over_before_its_claim_is_committed(patch: pytest.MonkeyPatch) -> None:
    original = Sender._commit

    def early(self, claims):
        self._hand_over.start(claims)
        return original(self, claims)

    patch.setattr(Sender, "_commit", early)


def a_ledger_that_a_new_owner_does_not_read(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ledger, "_restore", lambda *_arguments: 0)


def doubts_that_nobody_settles(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sender, "_settle_doubts", lambda *_arguments: None)


def offsets_of_what_is_not_finished(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Progress, "position_after", lambda self, _offsets: self._next)


def outcomes_that_the_ledger_does_not_keep(patch: pytest.MonkeyPatch) -> None:
    original = Transactions.commit

    def forget(self, entries, *rest):
        kept = {
            part: {each: state for each, state in found.items() if state != b"d"} for part, found in entries.items()
        }
        return dict.fromkeys(entries, 0) | original(self, kept, *rest)

    patch.setattr(Transactions, "commit", forget)
    patch.setattr(Sender, "_is_done", lambda *_arguments: False)


def statuses_outside_of_the_transaction(patch: pytest.MonkeyPatch) -> None:
    original = Transactions.commit

    def twice(self, entries, outcomes, letters, positions, group):
        ends = original(self, entries, [], letters, positions, group)
        self._producer.begin_transaction()
        for outcome in outcomes:
            for kind, reason in outcome.statuses:
                event = status(outcome.claim.dispatch, kind, at=outcome.at, reason=reason)
                self._producer.produce(STATUSES, key=event.key.encode(), value=self._codec.encode(event))
        self._producer.commit_transaction(1)
        return ends

    patch.setattr(Transactions, "commit", twice)


SABOTAGES: tuple[Patch, ...] = (
    a_hand_over_before_its_claim_is_committed,
    a_ledger_that_a_new_owner_does_not_read,
    doubts_that_nobody_settles,
    offsets_of_what_is_not_finished,
    outcomes_that_the_ledger_does_not_keep,
    statuses_outside_of_the_transaction,
)


@pytest.mark.parametrize("sabotage", SABOTAGES, ids=lambda sabotage: sabotage.__name__)
def test_what_is_broken_by_hand_is_found(sabotage: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch)
    for seed in range(SEEDS_MAX):
        try:
            run(seed)
        except AssertionError:
            return
    raise AssertionError(f"{sabotage.__name__} went unnoticed for {SEEDS_MAX} seeds")
