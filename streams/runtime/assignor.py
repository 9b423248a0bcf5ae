"""Who gets which partitions: who had them, else who has their state on its disk, as far as all have their fair share.

Whoever joins tells which partitions it has now, and which it had last: it keeps their state. The leader of the group
deals:

1. Everyone is left what it has, up to its share; what another keeps the state of is given up first,
   then what it doesn't keep itself.
2. Of the rest, each goes to one that keeps its state and has room, else to who has the most room.

A stage that is undivided goes whole to the first of those who have most of it, else keep most of it.

So a worker that comes back takes up its own partitions, and reads of the changelog only what it missed. Faust's own
assignor, in whose place this stands, knows of no state on disk. All topics of a stage have the same partitions, so
numbers are dealt. What is sent has Faust's form: workers of earlier releases may be in the same group.
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping
from typing import Any, cast

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment
from faust.assignor.partition_assignor import PartitionAssignor

Kept = Callable[[], Collection[int]]
"""Tells the partitions of which this process keeps the newest local state."""


class LocalStateAssignor(PartitionAssignor):
    """Deals out a stage's partitions."""

    kept: Kept
    is_undivided: bool = False

    def metadata(self, topics: set[str]) -> Any:
        """Tell what we have and what we keep the state of; to Faust the latter is a standby."""
        own = self._metadata
        kept = sorted(self.kept())
        own.assignment = ClientAssignment(actives=self._assignment.actives, standbys=dict.fromkeys(topics, kept))
        return ConsumerProtocolMemberMetadata(self.version, list(topics), own.dumps())

    def _perform_assignment(
        self, cluster: Any, member_metadata: MutableMapping[str, ConsumerProtocolMemberMetadata]
    ) -> Any:
        told = {member: self._get_client_metadata(metadata) for member, metadata in member_metadata.items()}
        self._update_member_urls(told)
        topics = {topic for metadata in member_metadata.values() for topic in cast("list[str]", metadata.subscription)}
        counts = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in topics}
        dealt = deal(
            max(counts.values()),
            {member: _numbers(each.assignment.actives) for member, each in told.items()},
            {member: _numbers(each.assignment.standbys) for member, each in told.items()},
            is_undivided=self.is_undivided,
        )
        assignments = {
            member: ClientAssignment(
                actives={topic: [each for each in own if each < count] for topic, count in counts.items()},
                standbys={},
            )
            for member, own in dealt.items()
        }
        return self._protocol_assignments(assignments, {}, {}, dict.fromkeys(topics, 0))


def _numbers(partitions: Mapping[str, Collection[int]]) -> set[int]:
    return {number for numbers in partitions.values() for number in numbers}


def deal(
    partitions: int,
    owned: Mapping[str, Collection[int]],
    kept: Mapping[str, Collection[int]],
    *,
    is_undivided: bool = False,
) -> Mapping[str, list[int]]:
    """Deal the partitions 0 to `partitions` - 1 to members: what each had, and what it keeps the state of."""
    members = sorted(owned, key=lambda each: (-len(owned[each]), -len(kept[each]), each))
    if is_undivided:
        return {member: list(range(partitions)) if member == members[0] else [] for member in members}
    least, more = divmod(partitions, len(members))
    room = {member: least + (place < more) for place, member in enumerate(members)}
    dealt: dict[str, list[int]] = {member: [] for member in members}
    free = set(range(partitions))

    def give(number: int, candidates: Collection[str]) -> None:
        able = [member for member in candidates if room[member]]
        if number in free and able:
            chosen = max(able, key=lambda member: (room[member], -members.index(member)))
            dealt[chosen].append(number)
            room[chosen] -= 1
            free.remove(number)

    keepers = {number: [each for each in members if number in kept[each]] for number in free}
    for member in members:
        for number in sorted(
            owned[member],
            key=lambda each: (keepers.get(each, []) not in ([], [member]), each not in kept[member], each),
        ):
            give(number, [member])
    for number in sorted(free, key=lambda each: (len(keepers[each]), each)):
        give(number, keepers[number])
    for number in sorted(free):
        give(number, members)
    return {member: sorted(own) for member, own in dealt.items()}
