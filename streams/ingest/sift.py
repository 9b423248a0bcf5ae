"""Looks at each record before it may enter the log: does it decode, does it belong here, whose is it, is its time sane.

What passes keeps its original bytes; the header alone is decoded. What doesn't gets a reason and is put aside.
"""

from collections.abc import Sequence
from typing import Any

from schemas.codec import BadRecord, Codec, Header

from schemas.catalogue import EVENT_TYPES
from streams.clock import Clock
from streams.engine.events import Event, ProgrammeApplied
from streams.ingest.merge import Entry
from streams.topics import CONTROL, INGEST_INPUTS

AHEAD_MS_MAX = 3_600_000
_RANK = {topic: rank for rank, topic in enumerate(INGEST_INPUTS)}
PROGRAMME_RANK = -1  # a programme comes into force before the events of the same moment, a tick comes after them


class Sift:
    """Turns records into entries of the merge. `clock` is None by the event clock: then no time is too far ahead."""

    def __init__(self, codec: Codec, clock: Clock | None) -> None:
        self._codec = codec
        self._clock = clock

    def entries(self, topic: str, records: Sequence[Any]) -> list[Entry]:
        """Return one entry for each record, in order; one that is put aside keeps the time of the one before."""
        found = self._control(records) if topic == CONTROL else self._events(topic, records)
        time = 0
        for entry in found:
            if entry.reason is not None:
                entry.occurred_at = time
            time = entry.occurred_at
        return found

    def _control(self, records: Sequence[Any]) -> list[Entry]:
        rank = _RANK[CONTROL]
        entries = []
        decoded = self._codec.decode_log([record.value for record in records], [None] * len(records))
        for record, item in zip(records, decoded, strict=True):
            if isinstance(item, BadRecord):
                entries.append(Entry(0, rank, record, reason=item.reason))
            elif isinstance(item, Event):
                entries.append(Entry(0, rank, record, reason=f"`{item.type}` doesn't belong into {CONTROL}"))
            else:
                own = PROGRAMME_RANK if isinstance(item, ProgrammeApplied) else rank
                entries.append(Entry(item.occurred_at, own, record, control=item))
        return entries

    def _events(self, topic: str, records: Sequence[Any]) -> list[Entry]:
        rank = _RANK[topic]
        latest = None if self._clock is None else self._clock() + AHEAD_MS_MAX
        entries = []
        for record, header in zip(records, self._codec.decode_headers([r.value for r in records]), strict=True):
            if isinstance(header, BadRecord):
                entries.append(Entry(0, rank, record, reason=header.reason))
                continue
            key = self._key(record, header)
            entry = Entry(header.occurred_at, rank, record, key)
            entry.reason = _complaint(topic, header, key, latest)
            entries.append(entry)
        return entries

    def _key(self, record: Any, header: Header) -> bytes | None:
        if header.member_id:
            return header.member_id.encode()
        if record.key:
            return bytes(record.key)
        (event,) = self._codec.decode_log([record.value], [None])
        if not isinstance(event, Event) or not event.key:
            return None
        return event.key.encode()


def _complaint(topic: str, header: Header, key: bytes | None, latest: int | None) -> str | None:
    event_type = EVENT_TYPES.get(header.type)
    if event_type is None:
        return f"unknown event type `{header.type}`"
    if event_type.topic != topic:
        return f"`{header.type}` doesn't belong into {topic}" + (f" but {event_type.topic}" if event_type.topic else "")
    if key is None:
        return "nothing in the event says whose it is: no key, member id, visitor, card, phone, e-mail or receipt"
    if latest is not None and header.occurred_at > latest:
        return "its time is more than an hour ahead of the clock"
    return None
