"""A consumer group in memory: members, generations, and who may still commit.

Every change of the membership deals the partitions out anew under the next generation: members learn of it when they
next ask, give up what they have and join again; when all have (or those that didn't are thrown out), the new deal
begins. A member that was silent for longer than its session is thrown out. A member with an instance id that comes
again takes the place of its predecessor without a new deal, and the predecessor is fenced.

The deal keeps partitions of one number together, as Faust's assignor does; an undivided group's go to one member.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaError

REBALANCE_TIMEOUT_MS = 60_000


class Refused(Exception):  # noqa: N818 - an answer of the broker, no mistake
    """The broker's answer to a request that it doesn't grant; `code` is one of `KafkaError`."""

    def __init__(self, code: int) -> None:
        super().__init__(KafkaError(code).str())
        self.code = code


@dataclass(slots=True)
class Member:
    """A member of a group. `silent_since` tells since when it hasn't been heard of (ms), None while it beats."""

    member_id: str
    instance: str | None
    topics: Sequence[str]
    session_ms: int
    silent_since: Callable[[], int | None]
    has_joined: bool = True
    partitions: list[tuple[str, int]] = field(default_factory=list)


class Group:
    """One group; `counts` tells the partitions of each topic, `now` the time in ms."""

    def __init__(self, counts: Callable[[], dict[str, int]], now: Callable[[], int]) -> None:
        self.generation = 0
        self.is_undivided = False
        self.offsets: dict[tuple[str, int], tuple[int, str]] = {}
        self._counts = counts
        self._now = now
        self._members: dict[str, Member] = {}
        self._joining_since: int | None = None
        self._names = 0

    def join(
        self, topics: Sequence[str], session_ms: int, instance: str | None, silent_since: Callable[[], int | None]
    ) -> str:
        """Become a member; returns the member's id."""
        self._names += 1
        member_id = f"{instance or 'member'}-{self._names}"
        before = next((each for each in self._members.values() if instance and each.instance == instance), None)
        member = Member(member_id, instance, topics, session_ms, silent_since)
        if before is not None:
            del self._members[before.member_id]
            member.partitions = before.partitions
        self._members[member_id] = member
        if before is None or self._joining_since is not None:
            self._begin(member)
        return member_id

    def _begin(self, *joined: Member) -> None:
        if self._joining_since is None:
            self._joining_since = self._now()
            for each in self._members.values():
                each.has_joined = False
        for each in joined:
            each.has_joined = True
        self._complete()

    def _complete(self) -> None:
        if self._joining_since is None or not all(each.has_joined for each in self._members.values()):
            return
        self._joining_since = None
        self.generation += 1
        counts = self._counts()
        members = sorted(self._members.values(), key=lambda each: (each.instance or "", each.member_id))
        if self.is_undivided:
            for each in members[1:]:
                each.partitions = []
            members = members[:1]
        for index, member in enumerate(members):
            member.partitions = [
                (topic, number)
                for topic in member.topics
                for number in range(counts.get(topic, 0))
                if number % len(members) == index
            ]

    def rejoin(self, member_id: str, instance: str | None) -> None:
        """Give up what one has and wait for the next deal. Raises `Refused`."""
        member = self._known(member_id, instance)
        member.has_joined = True
        self._complete()

    def deal(self, member_id: str, instance: str | None) -> tuple[int, list[tuple[str, int]]] | None:
        """Return generation and partitions of a member, None while a deal is on. Raises `Refused`."""
        member = self._known(member_id, instance)
        return None if self._joining_since is not None else (self.generation, member.partitions)

    def must_rejoin(self, member_id: str, instance: str | None) -> bool:
        """Tell whether a new deal waits for this member. Raises `Refused`."""
        return self._joining_since is not None and not self._known(member_id, instance).has_joined

    def leave(self, member_id: str) -> None:
        """Leave, unless one has an instance id: then the place is kept for the session."""
        member = self._members.get(member_id)
        if member is not None and member.instance is None:
            self._remove(member)

    def _remove(self, *members: Member) -> None:
        for member in members:
            del self._members[member.member_id]
        if self._members:
            self._begin()
        else:
            self._joining_since = None
            self.generation += 1

    def expire(self) -> None:
        """Throw out who was silent for too long, or didn't join in time."""
        now = self._now()
        gone = [each for each in self._members.values() if self._is_gone(each, now)]
        if gone:
            self._remove(*gone)

    def _is_gone(self, member: Member, now: int) -> bool:
        silent = member.silent_since()
        if silent is not None and now - silent > member.session_ms:
            return True
        since = self._joining_since
        return since is not None and not member.has_joined and now - since > REBALANCE_TIMEOUT_MS

    def check(self, generation: int, member_id: str, instance: str | None) -> None:
        """Let only a member of the present generation commit. Raises `Refused`."""
        if generation < 0 and not self._members:
            return
        self._known(member_id, instance)
        if generation != self.generation:
            raise Refused(KafkaError.ILLEGAL_GENERATION)

    def has(self, generation: int, member_id: str) -> bool:
        """Tell whether someone is a member of the present generation."""
        return generation == self.generation and member_id in self._members

    def _known(self, member_id: str, instance: str | None) -> Member:
        member = self._members.get(member_id)
        if member is None:
            taken = instance is not None and any(each.instance == instance for each in self._members.values())
            raise Refused(KafkaError.FENCED_INSTANCE_ID if taken else KafkaError.UNKNOWN_MEMBER_ID)
        return member
