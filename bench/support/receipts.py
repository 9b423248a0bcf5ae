"""The benchmarks' input: the demo's real receipts, as many as are asked for, in the registry's wire format.

A year of 155,848 receipts is multiplied: thirteen copies of its members, each copy as far ahead of the next as fits
into the year, so that two million receipts of 32,097 members make one year; then comes the same year again, later.
Copies differ in member, event id and time only: the header is written anew, the rest are the original bytes.
"""

import random
import time
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

from schemas.codec import Codec
from schemas.wire.write import encode_long
from streams.demo.input import generate
from streams.engine.events import Event

COPIES = 13
YEAR_MS = 365 * 86_400_000
_TYPE = b"purchase_completed"
_SOURCE = b"pos"


class Record(NamedTuple):
    """A record to produce; `at` in ms, also its Kafka timestamp. Without a key it goes to every partition."""

    key: bytes | None
    value: bytes
    at: int


class _Receipt(NamedTuple):
    number: bytes  # of the member
    at: int
    rest: bytes  # of the record, behind the member id


class Receipts:
    """Read once; makes any number of records."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._registrations: list[Event] = []
        self._receipts: list[_Receipt] = []
        self._prefix = b""
        for event in generate():
            if event.type == "registration_completed":
                self._registrations.append(event)
            elif event.type == "purchase_completed":
                self._receipts.append(self._take(event))

    @property
    def members(self) -> int:
        """How many there are in all copies."""
        return COPIES * len(self._registrations)

    def registrations(self, at: int | None = None) -> Iterator[Record]:
        """Every member's, all at one time (ms), by default that of the first."""
        if at is None:
            at = min(event.occurred_at for event in self._registrations)
        for copy in range(COPIES):
            for event in self._registrations:
                member = _member(copy, event.key[2:].encode()).decode()
                own: dict[str, Any] = {"event_id": f"registration-{member}", "occurred_at": at}
                own |= {"key": member, "member_id": member}
                yield Record(member.encode(), self._codec.encode(Event(**{**_fields(event), **own})), at)

    def receipts(self, wanted: int) -> Iterator[Record]:
        """The first so many, in order of time."""
        receipts, total, left = self._receipts, len(self._receipts), wanted
        copies = [(copy, copy * total // COPIES) for copy in range(COPIES)]
        prefix, year = self._prefix, 0
        while True:
            for index, first in enumerate(receipts):
                at = first.at + year * YEAR_MS
                middle = _sized(_TYPE) + encode_long(at) + _sized(_SOURCE) + b"\x02"
                for copy, ahead in copies[:left]:
                    receipt = receipts[(index + ahead) % total]
                    key = b"m%02d%b" % (copy, receipt.number)
                    event_id = b"%d-%d-%d" % (year, copy, index)
                    head = b"%b%c%b%b%c%b" % (prefix, 2 * len(event_id), event_id, middle, 2 * len(key), key)
                    yield Record(key, head + receipt.rest, at)
                left -= COPIES
                if left <= 0:
                    return
            year += 1

    def now(self) -> Iterator[Record]:
        """Receipts of members in turn, each of the moment in which it is asked for."""
        one_each = list({each.number: each for each in self._receipts}.values())
        for index in count():
            copy, receipt = index % COPIES, one_each[index // COPIES % len(one_each)]
            at = time.time_ns() // 1_000_000
            key = b"m%02d%b" % (copy, receipt.number)
            head = self._prefix + _sized(b"n%d" % index) + _sized(_TYPE) + encode_long(at) + _sized(_SOURCE)
            yield Record(key, head + b"\x02" + _sized(key) + receipt.rest, at)

    def of_members(self, members: int, seed: int, start: int = 0) -> Iterator[Record]:
        """Receipts of members at random, of so many, a second apart; their ids are `m` and seven digits.

        `start` is the number of the first: other numbers are other receipts, later ones.
        """
        chosen, at = random.Random(seed + start), self._receipts[-1].at
        for index in count(start):
            receipt = self._receipts[index % len(self._receipts)]
            key = b"m%07d" % chosen.randrange(members)
            middle = _sized(_TYPE) + encode_long(at + 1000 * index) + _sized(_SOURCE) + b"\x02"
            head = self._prefix + _sized(b"r%d-%d" % (seed, index)) + middle + _sized(key)
            yield Record(key, head + receipt.rest, at + 1000 * index)

    def _take(self, event: Event) -> _Receipt:
        value = self._codec.encode(event)
        self._prefix = value[:5]
        key = event.key.encode()
        head = _sized(event.event_id.encode()) + _sized(_TYPE) + encode_long(event.occurred_at) + _sized(_SOURCE)
        head += b"\x02" + _sized(key)
        assert value[5:].startswith(head), "the header's fields have changed"
        return _Receipt(key[2:], event.occurred_at, value[5 + len(head) :])


def _member(copy: int, number: bytes) -> bytes:
    return b"m%02d" % copy + number


def _fields(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in Event.__struct_fields__}


def _sized(data: bytes) -> bytes:
    return encode_long(len(data)) + data
