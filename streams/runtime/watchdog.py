"""Ends a worker that has lag and makes no progress: whatever is stuck in it, its partitions go to another.

A thread of its own looks at the broker through a connection of its own, so that neither a stuck batch, nor a stuck
event loop, nor a client that has stopped fetching can hide the lag. While the broker doesn't answer nothing is judged:
a restart wouldn't help.

Each partition is judged by itself: one that has records and doesn't move is stuck, however well the others get on. But
it may be waiting for its turn. So a time in which the stage was busy throughout, and committed something, is nobody's
stall: where there is much to do, some partitions wait for others, and a tick that finds a million due timers is one
record and many commits. And what is held to be stuck must really have a record waiting, which the watchdog reads.

Where partitions change hands there are no positions to judge by: from a deal until their state is there, and while a
batch in hand keeps them from being given away, a step of the recovery or a commit is progress, a wait that ends by
itself (`streams.runtime.bounded_waits`) is given its time, and nothing of these is a stall. After a pause of the whole
process (SIGSTOP, a machine that slept) the time begins anew.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client import REGISTRY

from streams import metrics
from streams.kafka import consumer_config
from streams.settings import Settings

LOOK_EVERY_SECONDS = 2.0
PAUSE_SECONDS = 10.0
ANSWER_SECONDS_MAX = 2.0
RECORD_SECONDS_MAX = 5.0

Place = tuple[str, int]
"""A topic and one of its partitions."""
Positions = Mapping[Place, int]
"""The next record to handle of each input that this process owns and whose state is ready."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a stage shows of itself.

    `progress`: for each input a number that changes when it gets on. `rested_at`: when there was last nothing to do, in
    seconds by the clock that never goes back. `restoring`: partitions change hands; `waits`: for something that ends.
    """

    positions: Positions = field(default_factory=dict)
    progress: Positions = field(default_factory=dict)
    rested_at: float = 0.0
    restoring: bool = False
    waits: bool = False


class Progress:
    """How long there has been lag without progress. Time is an argument: seconds, by any clock that never goes back."""

    def __init__(self, now: float) -> None:
        self._looked_at = now
        self._since: dict[Place | None, float] = {}  # of each that has lag; None: of the partitions that change hands
        self._progress: Positions = {}
        self._steps = 0.0

    def look(self, now: float, seen: Seen, ends: Positions | None, steps: float = 0, *, took: float = 0) -> float:
        """Return the seconds without progress; `ends` is None when the broker didn't answer.

        `steps`: commits, and steps of recovery. `took`: for how long the broker was asked, each input by itself; that
        is no pause.
        """
        took_max = PAUSE_SECONDS + (ANSWER_SECONDS_MAX + RECORD_SECONDS_MAX) * len(seen.positions)
        paused = now - took - self._looked_at > PAUSE_SECONDS or took > took_max
        stepped = steps != self._steps
        was_busy = stepped and seen.rested_at <= self._looked_at
        since: dict[Place | None, float] = {}
        for place, end in (ends or {}).items():
            if seen.positions.get(place, end) < end:
                moved = seen.progress.get(place) != self._progress.get(place)
                since[place] = now if paused or was_busy or moved else self._since.get(place, now)
        if seen.restoring and ends is not None:
            since[None] = now if paused or stepped or seen.waits else self._since.get(None, now)
        self._looked_at, self._since, self._progress, self._steps = now, since, seen.progress, steps
        return self.stalled(now)

    def stalled(self, now: float) -> float:
        """Return the longest stall of all."""
        return max((now - since for since in self._since.values()), default=0.0)

    def suspects(self, now: float, seconds: float) -> Collection[Place]:
        """Return the inputs that have had lag without progress for so long, the longest first."""
        found = [(since, place) for place, since in self._since.items() if place is not None]
        return [place for since, place in sorted(found) if now - since >= seconds]


class Watchdog:
    """Looks every two seconds; `stalled_seconds` is what it saw last."""

    def __init__(self, settings: Settings, stage: str, look: Callable[[], Seen]) -> None:
        self.stalled_seconds = 0.0
        self._limit_seconds = settings.watchdog_seconds
        self._stage = stage
        self._look = look
        self._what = "has lag"
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look, unless the setting says never to."""
        if self._limit_seconds > 0:
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._ended.set()

    def complaint(self) -> str | None:
        """Say what is wrong, None if nothing is: `/health` tells it well before the process is ended."""
        if self.stalled_seconds < self._limit_seconds / 2 or self.stalled_seconds == 0:
            return None
        return f"{self._stage} {self._what} and has made no progress for {self.stalled_seconds:.0f} s"

    def _run(self) -> None:
        consumer = Consumer(consumer_config(self._settings, f"{self._settings.group_prefix}-watchdog"))
        progress = Progress(time.monotonic())
        while not self._ended.wait(LOOK_EVERY_SECONDS):
            began = time.monotonic()
            seen = self._look()
            suspects = progress.suspects(began, self._limit_seconds / 2 - LOOK_EVERY_SECONDS)
            ends = _ends(consumer, seen, suspects)
            now = time.monotonic()
            stalled = progress.look(now, seen, ends, self._steps(), took=now - began)
            self._what = (
                "has partitions that aren't ready" if seen.restoring else _lag_of(progress.suspects(now, stalled))
            )
            self.stalled_seconds = stalled
            metrics.stalled_seconds.labels(self._stage).set(self.stalled_seconds)
            if self.stalled_seconds > self._limit_seconds:
                logger.error("%s; the process ends, its partitions go to another", self.complaint())
                os._exit(1)  # what is stuck could not be asked to end
        consumer.close()

    def _steps(self) -> float:
        labels = {"stage": self._stage, "outcome": "committed"}
        commits = REGISTRY.get_sample_value("rekindle_transactions_total", labels) or 0
        return commits + (REGISTRY.get_sample_value("rekindle_recovery_steps_total") or 0)


def _lag_of(suspects: Collection[Place]) -> str:
    return "has lag" + "".join(f" in {topic}/{partition}" for topic, partition in list(suspects)[:1])


def _ends(consumer: Consumer, seen: Seen, suspects: Collection[Place]) -> Positions | None:
    """Ask for the end of each input; None where the broker didn't answer at all.

    An input that is about to be held for stuck, and has no record in front of its end, is at its end: markers of
    transactions stand there, or what was aborted.
    """
    ends = {}
    answered = not seen.positions and not seen.restoring
    if seen.restoring:  # there is no input to ask for, but whether the broker answers matters
        with contextlib.suppress(KafkaException):
            consumer.list_topics(timeout=ANSWER_SECONDS_MAX)
            answered = True
    for place, position in seen.positions.items():
        with contextlib.suppress(KafkaException):
            _, end = consumer.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_SECONDS_MAX)
            is_waiting = place not in suspects or end <= position or _has_record(consumer, place, position)
            ends[place] = int(end) if is_waiting else position
            answered = True
    return ends if answered else None


def _has_record(consumer: Consumer, place: Place, position: int) -> bool:
    consumer.assign([TopicPartition(*place, position)])
    message = consumer.poll(RECORD_SECONDS_MAX)
    consumer.unassign()
    return message is not None and message.error() is None
