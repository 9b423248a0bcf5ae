"""From the bytes of a topic to the records that the tables take.

Records that cannot be read become dead letters of the sink itself, a pure function of the record like all rows. Ticks
and programmes belong to the log's order, not to its contents: they make no rows. An event that was sent on is in the
tables as it came, under the key that its state had gone from; its second record says only whose it is. Of the topics
that it reads, only `member.profiles` has records without a value: the profile is gone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from schemas.codec import BadRecord, Codec
from schemas.dead_letters import DeadLetter
from schemas.profiles import MemberProfile
from sinks.clickhouse.batch import Stored
from streams import metrics
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.sealing.log_reader import LogReader
from streams.topics import MEMBER_PROFILES

LOG_TOPIC = "member.events"
DEAD_LETTERS_TOPIC = "dead.letters"
ERASURES_TOPIC = "member.erasures"


class SentOn(msgspec.Struct, frozen=True):
    """An event that came to a state that had gone, and was sent on to `into`; the log has it once more, as it came."""

    event_id: str
    source: str
    into: str
    occurred_at: int


class CannotDecodeNowError(RekindleError):
    """The registry doesn't say what a schema id stands for; it may do so later."""


def make_decoder(codec: Codec, reader: LogReader | None = None) -> Callable[[str, int, Sequence[Stored]], list[Any]]:
    """Make a function of (topic, partition, records) that gives one record for each, in order.

    It raises `CannotDecodeNowError` when the registry is down, or `member.keys` cannot be read. Records that nobody can
    read any more make no rows.
    """
    log = reader or LogReader(codec)

    def decode(topic: str, partition: int, records: Sequence[Stored]) -> list[Any]:
        values = [record.value or b"" for record in records]
        try:
            if topic == LOG_TOPIC:
                found: Sequence[Any] = log.read(partition, values, [record.key for record in records])
            elif topic == ERASURES_TOPIC:
                found = codec.decode_erasures(values)
            elif topic == DEAD_LETTERS_TOPIC:
                found = codec.decode_dead_letters(values)
            elif topic == MEMBER_PROFILES:
                found = _profiles(codec, records)
            else:
                found = codec.decode_commands(values)
        except RekindleError as error:
            raise CannotDecodeNowError(str(error)) from error
        return [
            _unreadable(topic, partition, stored, record)
            if isinstance(record, BadRecord)
            else _noted(record)
            if stored.sent_on and isinstance(record, Event)
            else record
            for stored, record in zip(records, found, strict=True)
        ]

    return decode


def _profiles(codec: Codec, records: Sequence[Stored]) -> list[MemberProfile | BadRecord]:
    there = iter(codec.decode_profiles([record.value for record in records if record.value is not None]))
    return [_gone(record) if record.value is None else next(there) for record in records]


def _gone(tombstone: Stored) -> MemberProfile | BadRecord:
    try:
        member_id = (tombstone.key or b"").decode()
    except UnicodeDecodeError:
        return BadRecord("a profile that is gone, under a key that is no UTF-8", b"")
    return MemberProfile(member_id=member_id, at=tombstone.timestamp, gone=True)


def _noted(event: Event) -> SentOn:
    return SentOn(event_id=event.event_id, source=event.source, into=event.key, occurred_at=event.occurred_at)


def _unreadable(topic: str, partition: int, stored: Stored, bad: BadRecord) -> DeadLetter:
    metrics.dead_letters.labels("sink").inc()
    return DeadLetter(
        at=stored.timestamp,
        topic=topic,
        partition=partition,
        offset=stored.offset,
        key=stored.key,
        value=stored.value,
        reason=f"sink: {bad.reason}",
    )
