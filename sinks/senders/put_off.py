"""What the gateway takes later (a full mailbox, a grey-listed address): kept aside, so that nobody else waits for it.

It was given back in the ledger, so that a crash leaves nothing in doubt, and is claimed again when its pause is over;
pauses grow, and after `TRY_LATER_S` it fails. What comes behind it to the same member is kept with it, in its order.

Pure: times are seconds of a monotonic clock that the caller passes in.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from sinks.senders.hand_over import Claim

TRY_LATER_S = 900.0
PAUSE_S = 1.0
PAUSE_MAX_S = 300.0


@dataclass(slots=True)
class _Member:
    """`claim` is what was put off, `due` when it is tried again: None while it is."""

    claim: Claim
    until: float
    pause: float
    due: float | None
    behind: deque[Claim] = field(default_factory=deque)


class PutOff:
    """The claims that are kept, of all partitions of this process."""

    def __init__(self) -> None:
        self._members: dict[str, _Member] = {}
        self._behind = 0

    def __len__(self) -> int:
        return len(self._members) + self._behind

    def keep(self, claim: Claim, now: float) -> bool:
        """Keep what the gateway has just put off; False if that has lasted for too long."""
        member = self._members.setdefault(claim.dispatch.member_id, _Member(claim, now + TRY_LATER_S, PAUSE_S, None))
        if now >= member.until:
            return False
        member.due = min(now + member.pause, member.until)
        member.pause = min(2 * member.pause, PAUSE_MAX_S)
        return True

    def hold(self, claim: Claim) -> bool:
        """Keep a claim if it stands behind one that is put off; returns whether it does."""
        member = self._members.get(claim.dispatch.member_id)
        if member is None:
            return False
        member.behind.append(claim)
        self._behind += 1
        return True

    def due(self, now: float) -> list[Claim]:
        """What is to be tried again, in the order in which it came due."""
        found = [each for each in self._members.values() if each.due is not None and each.due <= now]
        return [each.claim for each in sorted(found, key=lambda each: each.due or 0.0)]

    def begin(self, claim: Claim) -> None:
        """Take note that it is tried again."""
        self._members[claim.dispatch.member_id].due = None

    def give_back(self, claim: Claim, now: float) -> bool:
        """Keep one again that was to be tried and was not; False if it isn't one of these."""
        member = self._members.get(claim.dispatch.member_id)
        if member is None or member.claim is not claim:
            return False
        member.due = now
        return True

    def end(self, claim: Claim) -> Collection[Claim]:
        """Forget one that has its outcome; returns what stood behind it."""
        member = self._members.get(claim.dispatch.member_id)
        if member is None or member.claim is not claim:
            return ()
        del self._members[claim.dispatch.member_id]
        self._behind -= len(member.behind)
        return member.behind

    def drop(self, partitions: Collection[int]) -> None:
        """Forget what is of these partitions."""
        self._members = {name: each for name, each in self._members.items() if each.claim.partition not in partitions}
        self._behind = sum(len(each.behind) for each in self._members.values())
