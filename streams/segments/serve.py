"""`rekindle segments run`: evaluates the lists of the programme in force when they are due, and publishes them.

One process is enough; more do no harm, since each run is decided once (`streams.segments.runs`). It keeps nothing:
when a list was evaluated last stands in ClickHouse, the programme in Kafka. What fails is tried again, a list by
itself after a minute, everything after a few seconds where ClickHouse or Kafka is away; only what repetition can't heal
at the start (topics that aren't there) ends it. A run that another process has left unfinished is published once
nothing of it has moved for a minute.
"""

import logging
import threading
from collections.abc import Iterator, Mapping

from confluent_kafka import KafkaException, TopicPartition

from sinks.clickhouse.connect import ClickHouseError, Client
from streams import metrics
from streams.clock import wall_clock
from streams.errors import RekindleError
from streams.kafka import Kafka
from streams.members.programmes import read_programmes
from streams.programme.definitions import read_definitions
from streams.programme.load import load
from streams.programme.programme import Definitions, Programme
from streams.publisher import check_topics, topic_of
from streams.segments.database import open_database
from streams.segments.lists import EvaluatedList, lists_of
from streams.segments.publish import StoppedError, finish
from streams.segments.runs import OvertakenError, Run, last_run, unrecorded_runs
from streams.segments.schedule import due_at, first_due
from streams.serve_metrics import serve_metrics
from streams.settings import Settings
from streams.topics import PROGRAMMES

LOOK_S = 2.0
AGAIN_S = 5.0
RETRY_MS = 60_000
REREAD_MS = 30_000
"""So long what is known of lists' last runs is taken for true; another process may have made one since."""
IDLE_S = 60
"""A run of another process that hasn't moved for so long is taken over."""
_WATERMARK_S = 15.0

logger = logging.getLogger(__name__)


class ProgrammeInForce:
    """The definitions that were applied last, read again when another programme was."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._end = -1
        self._definitions = Definitions()

    def read(self) -> Definitions:
        """Return them; without any programme, nothing is defined. Raises `RekindleError`."""
        kafka = Kafka(self._settings)
        consumer = kafka.consumer(f"{self._settings.group_prefix}-segments", {})
        try:
            end = consumer.get_watermark_offsets(TopicPartition(PROGRAMMES, 0), timeout=_WATERMARK_S)[1]
        except KafkaException as error:
            raise RekindleError(f"topic {PROGRAMMES} cannot be read: {error.args[0].str()}") from error
        finally:
            consumer.close()
        if end != self._end:
            programmes = read_programmes(kafka, self._settings.group_prefix)
            if programmes:
                self._definitions = read_definitions(programmes[max(programmes)]).definitions()
            self._end = end
        return self._definitions


def programme_in_force(settings: Settings) -> Programme:
    """Load the programme that was applied last, whole. Raises `RekindleError`."""
    check_topics(settings, {PROGRAMMES})  # one clear message now if Kafka is down
    programmes = read_programmes(Kafka(settings), settings.group_prefix)
    numbers = sorted(programmes)
    return load([programmes[number] for number in numbers], numbers[-1] if numbers else None)


def run_segments(settings: Settings, stop: threading.Event) -> None:
    """Run until `stop` is set. Raises `RekindleError` for what is wrong at the start."""
    if settings.clock == "event":
        raise RekindleError("REKINDLE_CLOCK=event: lists are evaluated by the wall clock; use --once --at TIME")
    check_topics(settings, {topic_of("segment_assigned"), PROGRAMMES})
    server = _Server(settings, stop)
    serve_metrics(settings, ready=server.why_not_ready)
    while not stop.is_set():
        try:
            with open_database(settings) as client:
                server.serve(client)
        except StoppedError:
            return
        except RekindleError as error:
            server.trouble = str(error)
            logger.warning("trying again soon: %s", error)
            stop.wait(AGAIN_S)


class _Server:
    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self.trouble: str | None = "it has only just started"
        self._settings = settings
        self._stop = stop
        self._programme = ProgrammeInForce(settings)
        self._known: set[str] = set()
        self._last: dict[str, Run | None] = {}
        self._last_read_ms = 0
        self._due_since: dict[str, int] = {}
        self._not_before: dict[str, int] = {}

    def why_not_ready(self) -> str | None:
        """Say why lists aren't evaluated now; None if they are."""
        return self.trouble

    def serve(self, client: Client) -> None:
        """Evaluate what is due until the end. Raises `RekindleError`, `ClickHouseError`, `StoppedError`."""
        while not self._stop.is_set():
            for run in unrecorded_runs(client, idle_s=IDLE_S):
                logger.info("%s, run %d: taking over what isn't published of it", run.list, run.number)
                finish(client, self._settings, run, self._stop)
            lists = lists_of(self._programme.read(), self._settings)
            busy = {run.list for run in unrecorded_runs(client)}
            name = self._next(client, {name: each for name, each in lists.items() if name not in busy})
            self.trouble = None
            if name is None:
                self._stop.wait(LOOK_S)
            else:
                self._evaluate(client, name, lists[name])

    def _next(self, client: Client, lists: Mapping[str, EvaluatedList]) -> str | None:
        now = wall_clock()
        due = []
        for name in self._known - set(lists):
            metrics.segment_due_timestamp_seconds.remove(name)
        self._known = set(lists)
        if now - self._last_read_ms > REREAD_MS:
            self._last, self._last_read_ms = {}, now
        for name, each in lists.items():
            if name not in self._last:
                self._last[name] = last_run(client, name)
            last = self._last[name]
            at = due_at(each.schedule, *((last.at_ms, last.definition) if last is not None else (None, None)))
            if at <= now:
                at = self._due_since.setdefault(name, max(at, now - RETRY_MS))
                due.append((max(at, self._not_before.get(name, 0)), name))
            else:
                self._due_since.pop(name, None)
            metrics.segment_due_timestamp_seconds.labels(name).set(at / 1000)
        return first_due(due, now)

    def _evaluate(self, client: Client, name: str, task: EvaluatedList) -> None:
        self._last.pop(name, None)
        try:
            run = task.decide(client, wall_clock())
        except OvertakenError:
            logger.info("%s: another process has evaluated it meanwhile", name)
            return
        except (RekindleError, ClickHouseError) as error:
            metrics.segment_failures.labels(name).inc()
            self._not_before[name] = wall_clock() + RETRY_MS
            logger.error("%s: not evaluated, the next attempt is in a minute: %s", name, str(error).splitlines()[0])  # noqa: TRY400 - one line says it
            return
        self._due_since.pop(name, None)
        logger.info("%s, run %d: %d members, %d entered, %d left", name, run.number, run.members, run.entered, run.gone)
        finish(client, self._settings, run, self._stop)


def evaluate_now(client: Client, settings: Settings, names: list[str], at_ms: int) -> Iterator[tuple[str, Run]]:
    """Evaluate and publish lists of the programme in force, all if none is named. Raises `RekindleError`."""
    check_topics(settings, {topic_of("segment_assigned"), PROGRAMMES})
    lists = lists_of(ProgrammeInForce(settings).read(), settings)
    unknown = [name for name in names if name not in lists]
    if unknown:
        raise RekindleError(f"the programme in force evaluates no {unknown[0]}: it has {', '.join(lists) or 'none'}")
    for name in names or lists:
        for run in unrecorded_runs(client):
            if run.list == name:
                finish(client, settings, run, threading.Event())
        run = lists[name].decide(client, at_ms)
        finish(client, settings, run, threading.Event())
        yield name, run
