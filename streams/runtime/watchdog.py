"""Ends a worker that has lag and makes no progress: whatever is stuck in it, its partitions go to another.

A thread of its own looks at the broker through a connection of its own, so that neither a stuck batch, nor a stuck
event loop, nor a client that has stopped fetching can hide the lag. While the broker doesn't answer nothing is judged:
a restart wouldn't help. A commit is progress, too: a tick that finds a million due timers is one record and many
commits. Where partitions change hands there are no positions to judge by: from a deal until their state is there, and
while a batch in hand keeps them from being given away, a step of the recovery or a commit is progress, and nothing of
either is a stall. After a pause of the whole process (SIGSTOP, a machine that slept) the time begins anew.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition
from prometheus_client import REGISTRY

from streams import metrics
from streams.kafka import consumer_config
from streams.settings import Settings

LOOK_EVERY_SECONDS = 2.0
PAUSE_SECONDS = 10.0
ANSWER_SECONDS_MAX = 2.0

Positions = Mapping[tuple[str, int], int]
"""The next record to handle of each input that this process owns and whose state is ready."""

logger = logging.getLogger(__name__)


class Progress:
    """How long there has been lag without progress. Time is an argument: seconds, by any clock that never goes back."""

    def __init__(self, now: float) -> None:
        self._since = self._looked_at = now
        self._reached: tuple[Positions, float, bool] = ({}, 0, False)

    def look(
        self,
        now: float,
        positions: Positions,
        ends: Positions | None,
        steps: float = 0,
        *,
        restoring: bool = False,
        took: float = 0,
    ) -> float:
        """Return the seconds without progress; `ends` is None when the broker didn't answer.

        `steps`: commits, and steps of recovery. `restoring`: partitions change hands. `took`: for how long the broker
        was asked, each input by itself; that is no pause.
        """
        reached = (positions, steps, restoring)
        took_max = PAUSE_SECONDS + ANSWER_SECONDS_MAX * len(positions)
        paused = now - took - self._looked_at > PAUSE_SECONDS or took > took_max
        lag = ends is not None and any(positions[place] < end for place, end in ends.items() if place in positions)
        behind = lag or (restoring and ends is not None)
        if paused or not behind or reached != self._reached:
            self._since = now
        self._looked_at, self._reached = now, reached
        return now - self._since


class Watchdog:
    """Looks every two seconds; `stalled_seconds` is what it saw last."""

    def __init__(
        self, settings: Settings, stage: str, positions: Callable[[], Positions], restoring: Callable[[], bool]
    ) -> None:
        self.stalled_seconds = 0.0
        self._limit_seconds = settings.watchdog_seconds
        self._stage = stage
        self._positions = positions
        self._restoring = restoring
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
            positions, restoring = self._positions(), self._restoring()
            ends = _ends(consumer, positions, restoring=restoring)
            now = time.monotonic()
            self._what = "has partitions that aren't ready" if restoring else "has lag"
            self.stalled_seconds = progress.look(
                now, positions, ends, self._steps(), restoring=restoring, took=now - began
            )
            metrics.stalled_seconds.labels(self._stage).set(self.stalled_seconds)
            if self.stalled_seconds > self._limit_seconds:
                logger.error("%s; the process ends, its partitions go to another", self.complaint())
                os._exit(1)  # what is stuck could not be asked to end
        consumer.close()

    def _steps(self) -> float:
        labels = {"stage": self._stage, "outcome": "committed"}
        commits = REGISTRY.get_sample_value("rekindle_transactions_total", labels) or 0
        return commits + (REGISTRY.get_sample_value("rekindle_recovery_steps_total") or 0)


def _ends(consumer: Consumer, positions: Positions, *, restoring: bool) -> Positions | None:
    ends = {}
    try:
        if restoring:  # there is no input to ask for, but whether the broker answers matters
            consumer.list_topics(timeout=ANSWER_SECONDS_MAX)
        for topic, partition in positions:
            _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=ANSWER_SECONDS_MAX)
            ends[topic, partition] = int(end)
    except KafkaException:
        return None
    return ends
