"""What an erasure writes besides the blank state, in the members' transaction: keys destroyed, others told.

A tombstone for each key that ended with the `member_erased` makes everything that was sealed with it unreadable:
from the commit on for whoever follows `member.keys`, and for good once the topic is compacted. The record in
`member.erasures` tells the sink, and other systems, up to when they are to forget the member.
"""

from schemas.codec import Codec
from schemas.erasure import Erasure
from streams import metrics
from streams.members.step import Part
from streams.runtime.transactions import Transaction, kafka_time
from streams.topics import ERASURES, MEMBER_KEYS


def write_erasures(transaction: Transaction, codec: Codec, part: Part) -> None:
    """Destroy the keys and tell of the erasures of a part."""
    for key in part.effects.ended_keys:
        transaction.produce(MEMBER_KEYS, None, key, partition=part.partition)
    for each in part.effects.erased:
        erasure = Erasure(at=each.at, member_id=each.key.decode(), occurred_at=each.occurred_at)
        transaction.produce(ERASURES, codec.encode(erasure), each.key, timestamp=kafka_time(each.at))
        metrics.members_erased.inc()
