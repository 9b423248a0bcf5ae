"""What is published into the pipeline: events of a few members, with everything that a real upstream does to them.

Duplicates, records out of order, forms that come behind an erasure, keys of another partition or none, strangers,
poison, a schema that nobody registered, times far ahead; and through `control` a second programme and ticks. All of it
drawn from a seed.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Codec
from schemas.keys import event_key
from streams.engine.events import Event, ProgrammeApplied, Tick
from streams.ingest.partitions import partition_of
from streams.topics import CONTROL, PROGRAMMES
from tests.pipeline.log import Log
from tests.simulation.support import bundle

HOUR_MS = 3_600_000
LATE = 0.5  # of erasures: a form of who is erased comes behind it

FIRST = bundle(
    {
        "policies.yaml": "frequency_caps: [{channel: sms, max: 2, per: PT1M, then: defer}]",
        "counters.yaml": "counters: {spent: {event: purchase_completed, aggregate: sum, field: total}}",
        "segments/rich.yaml": "id: rich\nwhere: {counter.spent: {ge: 60}}",
    },
    come_back="""
        trigger: [{event: registration_completed}, {event: purchase_completed}]
        cancel_on: [{event: purchase_completed, where: {total: {ge: 50}}}]
        entry: {while_running: restart}
        goal: {event: purchase_completed, within: P1D}
        actions:
          - wait: PT20S
          - send: {channel: sms, template: a, messaging_type: service}
          - wait: PT2M
          - send: {channel: email, template: mail, messaging_type: service}
          - wait: P2D
          - send: {channel: sms, template: b, messaging_type: service}
    """,
    brought="trigger: {event: friend_purchase_completed}\nactions: [{award: {amount: 5, currency: points}}]",
    rich="trigger: {segment_entered: rich}\nactions: [{send: {channel: receipt, template: c}}]",
    cart="""
        trigger: {cart_abandoned: {after: PT30S}}
        actions: [{send: {channel: push, template: a, messaging_type: service}}]
    """,
)
SECOND = {
    **FIRST,
    **bundle(
        visited="""
            trigger: {event: site_visited}
            entry: {while_running: parallel}
            actions: [{wait: PT10S}, {set: {visited: true}}, {send: {channel: receipt, template: b}}]
        """,
        rich="version: 2\ntrigger: {segment_entered: rich}\nactions: [{award: {amount: 1, currency: points}}]",
    ),
}
THIRD = {
    **SECOND,
    **bundle(
        {"counters.yaml": FIRST["counters.yaml"][:-1] + ", visits: {event: site_visited, aggregate: count}}"},
        come_back="""
            version: 2
            in_flight: move
            trigger: [{event: registration_completed}, {event: purchase_completed}]
            entry: {while_running: restart}
            actions:
              - wait: PT5S
              - send: {channel: sms, template: a, messaging_type: service}
              - wait: P1D
              - send: {channel: email, template: mail, messaging_type: service}
        """,
        told="""
            trigger: {now: true}
            actions: [{wait: PT15S}, {send: {channel: receipt, template: c}}]
        """,
        evening="""
            trigger: {schedule: {at: "2023-11-14T22:18:00", zone: UTC}}
            actions: [{send: {channel: receipt, template: a}}, {wait: PT1M}, {award: {amount: 1, currency: points}}]
        """,
    ),
}
"""Its adoption enters members into journeys, moves their journeys and sets timers that are soon due."""
PROGRAMME_FILES = (FIRST, SECOND, THIRD)


KINDS = [*["registration_completed"] * 2, *["purchase_completed"] * 4, *["site_visited"] * 2, *["cart_item_added"] * 2]

MERGERS = ["members_merged"] * 6
"""Besides, where there are many: every member is soon merged with others, by several tasks at once."""


class Published(NamedTuple):
    """A record on its way into a topic; `at` in milliseconds."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    at: int


class Upstream:
    """The records of one seed, in the order in which they are published."""

    def __init__(
        self,
        rng: random.Random,
        codec: Codec,
        partitions: int,
        *,
        wall: bool,
        start: int,
        erases: bool = False,
        in_order: bool = False,
        merges: bool = False,
    ) -> None:
        self._rng = rng
        self._codec = codec
        self._partitions = partitions
        self._wall = wall
        self._start = start
        self._in_order = in_order  # events come in the order of their times, and none is of another member
        self._kinds = [*KINDS, *(["member_erased", "feedback_received"] if erases else []), *MERGERS * merges]
        self._members = [f"m{number}" for number in range(rng.randint(2, 10))]
        self._number = 0

    def publish(self, log: Log, record: Published) -> None:
        """Append a record to its topic."""
        log.append((record.topic, record.partition), [(record.key, record.value, record.at)])

    def apply(self, log: Log, number: int, at: int) -> None:
        """Apply a programme, as `rekindle campaigns apply` does."""
        files = json.dumps({"files": PROGRAMME_FILES[number - 1]}).encode()
        log.append((PROGRAMMES, 0), [(b"%d" % number, files, at)])
        self.announce(log, ProgrammeApplied(occurred_at=at, programme=number))

    def announce(self, log: Log, item: Tick | ProgrammeApplied) -> None:
        """Write to every partition of `control`."""
        value = self._codec.encode(item)
        for partition in range(self._partitions):
            log.append((CONTROL, partition), [(None, value, item.occurred_at)])

    def next_records(self, now: int) -> Iterator[Published]:
        """Draw what an upstream sends at once; `now` is the time by the clock (ms)."""
        rng = self._rng
        if rng.random() < 0.06:
            yield self._poison()
            return
        event = self._event(now)
        record = self._record(event)
        yield record
        if event.type == "member_erased" and not self._in_order and rng.random() < LATE:
            yield self._record(self._late(event))
        if rng.random() < 0.1:
            yield record
        if rng.random() < 0.05:
            yield self._misplaced(record)

    def _time(self, now: int) -> int:
        if self._wall:
            return now - self._rng.randrange(5000)
        if self._in_order:
            return self._start + self._number * 15_000
        return self._start + self._number * 15_000 - self._rng.randrange(60_000) * (self._rng.random() < 0.3)

    def _event(self, now: int) -> Event:
        rng = self._rng
        self._number += 1
        member: str | None = rng.choice(self._members)
        kind = "members_merged" if rng.random() < 0.03 else rng.choice(self._kinds)
        at = self._time(now)
        if self._wall and rng.random() < 0.02:
            at = now + 10 * HOUR_MS
        body = dict(self._body(kind))
        if kind == "members_merged":
            body, member = {"from_id": rng.choice(self._members), "into_id": member}, None
        elif kind != "member_erased" and rng.random() < 0.5:
            body |= rng.choice([{"visitor_id": f"v{rng.randrange(3)}"}, {"card_number": f"k{rng.randrange(4)}"}])
            member = None if rng.random() < 0.6 else member
        return Event(
            event_id=f"e{self._number}", type=kind, occurred_at=at, source="up", key="", member_id=member, body=body
        )

    def _late(self, erasure: Event) -> Event:
        """A form of who was erased, of the time before it."""
        self._number += 1
        return msgspec.structs.replace(
            erasure,
            event_id=f"e{self._number}",
            type="registration_completed",
            occurred_at=erasure.occurred_at - self._rng.randrange(10_000),
            body=self._body("registration_completed"),
        )

    def _body(self, kind: str) -> Mapping[str, Any]:
        rng = self._rng
        if kind == "registration_completed":
            referrer = {"referrer_id": rng.choice(self._members)} if rng.random() < 0.7 and not self._in_order else {}
            return {"first_name": "Anna", "phone": "+79161234567", "email": "anna@example.com", **referrer}
        if kind == "purchase_completed":
            return {"receipt_id": f"c{self._number}", "total": Decimal(rng.randrange(1, 90)), "lines": []}
        if kind == "cart_item_added":
            return {"sku": f"s{rng.randrange(3)}", "name": "milk", "quantity": Decimal(1), "price": Decimal(2)}
        if kind == "feedback_received":
            return {"text": "the milk was sour"}
        return {"url": "https://example.com/"} if kind == "site_visited" else {}

    def _record(self, event: Event) -> Published:
        key = (event_key(event.type, event.member_id, event.body) or "").encode()
        topic = EVENT_TYPES[event.type].topic
        value = self._codec.encode(event)
        return Published(topic, partition_of(key, self._partitions), key, value, event.occurred_at)

    def _misplaced(self, record: Published) -> Published:
        partition = self._rng.randrange(self._partitions)
        return record._replace(partition=partition, key=None)

    def _poison(self) -> Published:
        value = self._rng.choice([b"", b"no Avro at all", b"\0\0\0\xff\xffunknown", b"\0\0\0\0\1\xff"])
        topic = self._rng.choice(("pos.receipts", "web.behaviour"))
        return Published(topic, self._rng.randrange(self._partitions), b"poison", value, self._start)


def last_moment(records: Sequence[Published], now: int) -> int:
    """Return a time (ms) by which every timer of these programmes is due."""
    return max([now, *(record.at for record in records)]) + int(timedelta(days=30).total_seconds() * 1000)


def later_programmes(seed: int, second_at: int, programmes: int) -> Mapping[int, Sequence[int]]:
    """Return after how many sendings which programmes are applied: the third follows the second soon."""
    found: dict[int, list[int]] = {second_at: [2]}
    if programmes > 2 and second_at >= 0:
        found.setdefault(second_at + random.Random(f"third {seed}").choice((0, 1, 5, 20)), []).append(3)
    return found
