"""The lists that a programme has evaluated: what of it, when, and how one evaluation is decided."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from zoneinfo import ZoneInfo

from sinks.clickhouse.connect import Client
from streams.engine.values import Duration
from streams.programme.programme import Definitions
from streams.segments import rfm
from streams.segments.evaluate import evaluate, fingerprint
from streams.segments.runs import Run
from streams.segments.schedule import Schedule, daily
from streams.settings import Settings

Decide = Callable[[Client, int], Run]
"""Evaluate as of a moment (ms) and decide the run; it isn't published yet."""


@dataclass(frozen=True, slots=True)
class EvaluatedList:
    """A list that is evaluated by the clock."""

    schedule: Schedule
    decide: Decide


def lists_of(definitions: Definitions, settings: Settings) -> Mapping[str, EvaluatedList]:
    """The lists of a programme, by name."""
    programme_zone = definitions.policies.default_time_zone
    found = {}
    for segment in definitions.segments.values():
        if segment.sql is not None:
            zone = ZoneInfo(segment.zone or programme_zone)
            schedule = Schedule(fingerprint(segment.sql), zone, every=segment.every, cron=segment.cron)
            found[segment.id] = EvaluatedList(schedule, partial(_evaluate, settings, segment.id, segment.sql))
    policy = definitions.policies.rfm
    if policy.enabled and definitions.campaigns:
        daily_at = daily(policy.at.isoformat("minutes"))
        schedule = Schedule(rfm.definition_of(policy.period), ZoneInfo(programme_zone), cron=daily_at)
        found[rfm.LIST] = EvaluatedList(schedule, partial(_reckon, policy.period))
    return found


def _reckon(period: Duration, client: Client, at_ms: int) -> Run:
    return rfm.decide(client, period, at_ms)


def _evaluate(settings: Settings, segment: str, sql: str, client: Client, at_ms: int) -> Run:
    return evaluate(client, settings, segment, sql, at_ms)
