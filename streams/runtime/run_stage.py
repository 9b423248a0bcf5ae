"""Puts a stage together from the settings and runs it to its end."""

import asyncio
import logging
from collections.abc import Sequence

from schemas.codec import Codec
from schemas.registry import Registry
from streams import metrics
from streams.app import quieten_libraries
from streams.clock import Clock, wall_clock
from streams.collect_garbage import collect_seldom
from streams.ingest.checked_clock import CheckedClock
from streams.ingest.stage import IngestStage
from streams.kafka import Kafka
from streams.members.engine import Engine, RealEngine
from streams.members.stage import MembersStage
from streams.profiles.stage import ProfilesStage
from streams.runtime.broker_time import BrokerTime
from streams.runtime.host import Host
from streams.runtime.local_state import LocalState, claim
from streams.runtime.preflight import check_services
from streams.runtime.stage import Stage
from streams.runtime.transactions import TransactionalProducer
from streams.sealing.open import open_ring, open_sealer
from streams.serve_metrics import ask_ready, serve_metrics
from streams.settings import Settings
from streams.topics import clock_topic, ingest_group, members_group, profiles_group

STAGES = {"ingest": ingest_group, "members": members_group, "profiles": profiles_group}
"""The stages of a worker and the consumer group of each, in the order of the way of an event."""

NOT_READY = "partitions are not assigned or recovered yet"

logger = logging.getLogger(__name__)


def run_stage(
    settings: Settings, name: str, engine: Engine | None = None, *, check: bool = True, beside: Sequence[int] = ()
) -> int:
    """Run a stage until it is told to end; returns the exit status. Raises `RekindleError` when it cannot start.

    `check`: whether to ask first if the services are there. `beside`: the metrics ports of the stages that it answers
    for when it is asked whether the worker is ready.
    """
    quieten_libraries(settings.log_level)
    if check:
        check_services(settings)
    local = claim(settings, name)
    codec = Codec(Registry.from_settings(settings))
    group = STAGES[name](settings)
    kafka = Kafka(settings)
    producer = TransactionalProducer(kafka, name, f"{group}-{local.identity}")
    stage: Stage
    if name == "ingest":
        sealer = open_sealer(settings, kafka, local.path)
        clock = clock_of(settings, kafka, local.identity)
        stage = IngestStage(settings, kafka, codec, producer, directory=local.path, sealer=sealer, clock=clock)
    elif name == "profiles":
        stage = ProfilesStage(settings, kafka, codec, producer)
    else:
        deciding = engine or RealEngine()
        ring = open_ring(settings, kafka, local.path)
        stage = MembersStage(settings, kafka, codec, producer, engine=deciding, directory=local.path, ring=ring)
    collect_seldom()
    return asyncio.run(_run(settings, stage, group, local, beside))


def clock_of(settings: Settings, kafka: Kafka, worker: str) -> Clock:
    """Return the clock that ticks are taken from: by the wall clock one that is held against the broker's."""
    if settings.clock == "event" or settings.clock_tolerance_seconds <= 0:
        return wall_clock
    broker = BrokerTime(kafka, clock_topic(settings), settings.replication_factor, worker)
    return CheckedClock(broker, settings.clock_tolerance_seconds)


def why_not_ready(settings: Settings, own: str | None, beside: Sequence[int]) -> str | None:
    """Say why a stage isn't ready, or one of those on these ports; None if all are."""
    return own or next(filter(None, (ask_ready(settings, port) for port in beside)), None)


async def _run(settings: Settings, stage: Stage, group: str, local: LocalState, beside: Sequence[int]) -> int:
    host = Host(settings, stage, group, local)
    port = serve_metrics(
        settings,
        health=host.complaint,
        ready=lambda: why_not_ready(settings, None if host.ready else NOT_READY, beside),
    )
    metrics.stage_running.labels(stage.name).set(1)
    logger.info(
        "%s starts as %s (clock: %s, state in %s, metrics on port %d); `rekindle publish FILE` puts events in, "
        "`rekindle status` shows what waits",
        stage.name,
        local.identity,
        settings.clock,
        local.path,
        port,
    )
    return await host.run()
