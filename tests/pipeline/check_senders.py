"""What must hold of the senders at the end of a run.

1. Every dispatch has exactly one outcome among the delivery statuses, however often it stood in the topic.
2. What is reported as sent has arrived, what is reported as failed has not, unless the reason is `in_doubt`.
3. Nothing arrives twice, but with `repeat` what was in doubt, at a gateway that cannot be asked. Nothing is in doubt
   at one that can.
4. What cannot be read stands once in `dead.letters` (`tests.pipeline.check` compares them all).
"""

from collections import Counter
from collections.abc import Iterator

from schemas.codec import BadRecord
from sinks.senders.statuses import FAILED, SENT
from sinks.senders.statuses import TOPIC as STATUSES
from streams.engine.commands import Dispatch
from streams.engine.events import Event
from tests.pipeline.partition import Stored
from tests.pipeline.world import SENDERS_TOPIC, World


def reported(world: World) -> list[bytes]:
    """Return the statuses that senders have written, as they stand in their topic."""
    return [] if world.counterpart is None else [each.value or b"" for each, _ in _statuses(world)]


def _records(world: World, topic: str) -> list[Stored]:
    return [each for partition in world.log.topics[topic] for each in partition.committed()]


def _statuses(world: World) -> list[tuple[Stored, Event]]:
    """The records of senders: ingest hands some on to whom a member was merged into, under that key."""
    records = _records(world, STATUSES)
    decoded = world.codec.decode_log([each.value or b"" for each in records], [None for _ in records])
    pairs = zip(records, decoded, strict=True)
    return [(each, event) for each, event in pairs if isinstance(event, Event) and each.key == event.key.encode()]


def unreadable(world: World) -> Iterator[tuple[str, int, int]]:
    """Find topic, partition and offset of what senders cannot read."""
    for number, offset in world.noise:
        (record,), _ = world.log.topics[SENDERS_TOPIC][number].read(offset, 1, committed=True)
        if isinstance(world.codec.decode_commands([record.value or b""])[0], BadRecord):
            yield SENDERS_TOPIC, number, offset


def check_senders(world: World) -> None:
    """Check a run that has come to its end."""
    counterpart = world.counterpart
    if counterpart is None:
        return
    records = [each.value or b"" for each in _records(world, SENDERS_TOPIC)]
    dispatches = {each.dispatch_id for each in world.codec.decode_commands(records) if isinstance(each, Dispatch)}
    statuses = [event for _, event in _statuses(world)]
    outcomes = Counter(str(event.body["dispatch_id"]) for event in statuses)
    assert set(outcomes) == dispatches, f"{len(dispatches - set(outcomes))} dispatches without an outcome"
    assert max(outcomes.values(), default=1) == 1, f"more than one outcome: {outcomes.most_common(3)}"
    arrived = Counter(counterpart.arrived)
    sent = {str(event.body["dispatch_id"]) for event in statuses if event.type == SENT}
    failed = {str(event.body["dispatch_id"]): event.body["reason"] for event in statuses if event.type == FAILED}
    assert sent <= set(arrived), f"reported as sent, never arrived: {list(sent - set(arrived))[:3]}"
    in_doubt = {each for each, reason in failed.items() if reason == "in_doubt"}
    wrongly = (set(failed) - in_doubt) & set(arrived)
    assert not wrongly, f"reported as failed, and yet arrived: {[(each, failed[each]) for each in wrongly][:3]}"
    if counterpart.can_be_asked:
        assert not in_doubt, f"the gateway could have told: {list(in_doubt)[:3]}"
    if counterpart.can_be_asked or world.settings.sender_in_doubt == "fail":
        twice = [each for each, count in arrived.items() if count > 1]
        assert not twice, f"handed over twice: {twice[:3]}"
