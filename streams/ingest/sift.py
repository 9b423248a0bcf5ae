"""Looks at each record before it may enter the log: does it decode, does it belong here, is its time sane.

What passes keeps its original bytes. What doesn't gets a reason and is put aside.
"""

from collections.abc import Sequence
from typing import Any

from schemas.codec import BadRecord, Codec, Header
from streams.clock import Clock
from streams.engine.events import Event, ProgrammeApplied
from streams.ingest.merge import Entry
from streams.ingest.sealing import sealing_of
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
        entries = []
        decoded = self._codec.decode_log([record.value for record in records], [record.key for record in records])
        for record, item in zip(records, decoded, strict=True):
            if isinstance(item, BadRecord):
                entries.append(Entry(0, _RANK[CONTROL], record, reason=item.reason))
                continue
            rank = PROGRAMME_RANK if isinstance(item, ProgrammeApplied) else _RANK[CONTROL]
            entry = Entry(item.occurred_at, rank, record, control=item)
            if isinstance(item, Event) and record.key is None:
                entry.reason = f"a {item.type} that doesn't say to whom it is sent on"
            elif isinstance(item, Event):
                (header,) = self._codec.decode_headers([record.value])
                entry.sealing = sealing_of(header) if isinstance(header, Header) else None
            entries.append(entry)
        return entries

    def _events(self, topic: str, records: Sequence[Any]) -> list[Entry]:
        rank = _RANK[topic]
        latest = None if self._clock is None else self._clock() + AHEAD_MS_MAX
        entries = []
        decoded = self._codec.decode_headers([record.value for record in records], topic)
        for record, header in zip(records, decoded, strict=True):
            if isinstance(header, BadRecord):
                entries.append(Entry(0, rank, record, reason=header.reason))
                continue
            entry = Entry(header.occurred_at, rank, record, header, sealing=sealing_of(header))
            if latest is not None and header.occurred_at > latest:
                entry.reason = "its time is more than an hour ahead of the clock"
            entries.append(entry)
        return entries
