"""The pipeline in small, to make a log that is not invented line by line: what a campaign sends comes back.

Events arrive in an order of their own (late ones after what happened meanwhile); before each the ticks come that a
worker would need. What the engine puts out goes round again: delivery statuses of messages, accruals of awards,
friends' purchases. Chance is a seeded generator's, so that the same seed makes the same log.
"""

import heapq
import json
import random
import zlib
from collections.abc import Mapping
from typing import Any

from schemas.json_lines import LogPosition, format_record, read_events
from schemas.values import format_time
from streams.engine.commands import Award, Dispatch
from streams.engine.events import Event, LogRecord, ProgrammeApplied, Tick
from streams.programme import Programme
from tests.replay.replaying import Replay

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
PARTITIONS = 2
_ANSWERS = (
    # status, of how many in a thousand messages, how long after the one before
    ("message_sent", 985, (0, 3 * SECOND)),
    ("message_delivered", 930, (SECOND, 20 * MINUTE)),
    ("message_opened", 450, (MINUTE, 2 * DAY)),
    ("message_clicked", 350, (SECOND, HOUR)),
)


class Pipeline:
    """Turns arriving events into a log; `outages` are spans (ms) in which nothing runs and no tick is written."""

    def __init__(
        self,
        programmes: Mapping[int, Programme],
        *,
        seed: int,
        wall: bool,
        outages: tuple[tuple[int, int], ...] = (),
    ) -> None:
        self._replay = Replay(programmes)
        self._chance = random.Random(seed)
        self._wall = wall
        self._outages = outages
        self._coming: list[tuple[int, int, Event | ProgrammeApplied]] = []
        self._count = 0
        self._offsets = dict.fromkeys(range(PARTITIONS), 0)
        self.lines: list[str] = []

    def put(self, arrives: int, *events: Event | ProgrammeApplied) -> None:
        """Events that arrive at that moment (ms), or when the outage that it falls into is over."""
        for event in events:
            self._count += 1
            heapq.heappush(self._coming, (self._past_outage(arrives), self._count, event))

    def run(self, until: int) -> list[str]:
        """Everything up to that moment (ms), as the lines of a log."""
        while self._coming and self._coming[0][0] <= until:
            arrives, _, event = heapq.heappop(self._coming)
            self._tick_until(arrives)
            if isinstance(event, Event):
                self._append(event, _partition(event.key), event.key)
            else:
                for number in range(PARTITIONS):
                    self._append(event, number, None)
        self._tick_until(until)
        return self.lines

    def _tick_until(self, until: int) -> None:
        """The ticks that make something happen; a last one at `until`."""
        while (due := self._replay.next_due()) is not None and due < until:
            at = self._past_outage(-(-due // SECOND) * SECOND)
            if at >= until:
                break
            self._tick(at)
        if self._wall or self._chance.random() < 0.05:
            self._tick(until)

    def _tick(self, at: int) -> None:
        for number in range(PARTITIONS):
            self._append(Tick(occurred_at=at, wall=self._wall), number, None)

    def _append(self, record: LogRecord, number: int, key: str | None) -> None:
        position = LogPosition(partition=number, offset=self._offsets[number], key=key)
        self._offsets[number] += 1
        line = format_record(record, log=position)
        self.lines.append(line)
        ((read, _),) = read_events([line], "log")  # the engine sees what a reader of the log will see
        for item in self._replay.take(read, number):
            if isinstance(item, Event):
                self.put(item.occurred_at + self._between(SECOND, MINUTE), item)
            elif isinstance(item, Dispatch):
                self._answer(item)
            elif isinstance(item, Award):
                self._accrue(item)

    def _answer(self, dispatch: Dispatch) -> None:
        at = dispatch.at
        for status, permille, (least, most) in _ANSWERS:
            at += self._between(least, most)
            if self._chance.random() * 1000 >= permille:
                if status == "message_delivered":
                    self._report(dispatch, "message_failed", at, reason="unreachable")
                return
            self._report(dispatch, status, at, **({"link": "https://shop.example.com"} if "click" in status else {}))
        if self._chance.random() < 0.03:
            self._report(dispatch, self._chance.choice(["message_complained", "member_unsubscribed"]), at + MINUTE)

    def _report(self, dispatch: Dispatch, status: str, at: int, **body: Any) -> None:
        fields = {"dispatch_id": dispatch.dispatch_id, "channel": dispatch.channel, **body}
        event = make_event(dispatch.member_id, status, at, event_id=f"{status}/{dispatch.dispatch_id}", **fields)
        self.put(at + self._between(0, 10 * SECOND), event)

    def _accrue(self, award: Award) -> None:
        fields: dict[str, Any] = {
            "accrual_id": award.award_id,
            "award_id": award.award_id,
            "amount": award.amount,
            "currency": award.currency,
            "activates_at": award.activates_at or award.at,
        }
        if award.expires_at is not None:
            fields["expires_at"] = award.expires_at
        self.put(award.at + 2 * SECOND, make_event(award.member_id, "bonus_accrued", award.at + SECOND, **fields))

    def _between(self, least: int, most: int) -> int:
        return self._chance.randint(least // SECOND, most // SECOND) * SECOND

    def _past_outage(self, at: int) -> int:
        return next((until for begin, until in self._outages if begin <= at < until), at)


def make_event(key: str, kind: str, at: int, *, event_id: str = "", historical: bool = False, **body: Any) -> Event:
    """An event of the member, or of a stranger whose key says what is known (`visitor:v1`); times in `body` are ms."""
    known, _, value = key.rpartition(":")
    stranger = {f"{known}_id" if known == "visitor" else known: value} if known else {}
    line = {
        "event_id": event_id or f"{key}/{kind}/{at}",
        "type": kind,
        "occurred_at": format_time(at),
        "source": "statuses" if kind.startswith("message_") else "shop",
        "member_id": None if known else key,
        "historical": historical,
        **stranger,
        **{
            name: format_time(value) if name in {"activates_at", "expires_at"} else value
            for name, value in body.items()
        },
    }
    ((event, _),) = read_events([json.dumps(line, default=float)], "made")
    assert isinstance(event, Event)
    return event


def _partition(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS
