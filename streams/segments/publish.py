"""Publish what runs change, evenly: `REKINDLE_SEGMENTS_RATE` events a second at most, whatever the size of a list.

A list of millions takes as long as the workers take for it, and other members' events don't wait behind the whole of it
(`streams.segments.ahead`). What is
read and what waits for the broker is a portion at a time, noted once it is acknowledged; so an end at any time costs
one portion that is published twice under the same ids.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from sinks.clickhouse.connect import Client
from streams import metrics
from streams.engine.events import Event
from streams.publisher import Publisher
from streams.runtime.fault_points import pass_point
from streams.segments.ahead import Workers
from streams.segments.runs import Change, Position, Run, note_position, read_changes, read_position, record
from streams.settings import Settings

_AT_A_TIME = 200
"""Changes between two looks at the clock."""

logger = logging.getLogger(__name__)


class StoppedError(Exception):
    """The process is to end; the run is published on where it was."""


def event_of(run: Run, change: Change) -> Event:
    """Make the event of a change, the same whenever it is made."""
    return Event(
        event_id=f"{run.run}/{change.segment}/{change.member_id}",
        type="segment_assigned" if change.inside else "segment_removed",
        occurred_at=run.at_ms,
        source=f"segments.{run.origin}",
        key=change.member_id,
        member_id=change.member_id,
        body={"segment": change.segment},
    )


def finish(
    client: Client,
    settings: Settings,
    run: Run,
    stop: threading.Event,
    advance: Callable[[int], None] = lambda _count: None,
) -> None:
    """Publish the rest of a decided run and record it. Raises `RekindleError`, `ClickHouseError`, `StoppedError`."""
    position = read_position(client, run)
    advance(position.published)
    publisher = Publisher(settings, advance)
    workers = Workers(settings, stop)
    try:
        for page in read_changes(client, run, position):
            workers.wait()
            for change in _paced(page, settings.segments_rate, stop):
                publisher.publish(event_of(run, change))
            publisher.flush()
            pass_point("segments", "produced")
            metrics.segment_changes.labels(run.origin).inc(len(page))
            position = Position(position.published + len(page), page[-1].member_id, page[-1].segment)
            note_position(client, run, position)
    finally:
        workers.close()
    pass_point("segments", "committed")
    record(client, run)
    logger.info("%s, run %d: published, %d changes", run.list, run.number, position.published)


def _paced(page: Sequence[Change], rate: int, stop: threading.Event) -> Iterator[Change]:
    """Give them out at so many a second at most (0: no limit)."""
    began = time.monotonic()
    for first in range(0, len(page), _AT_A_TIME):
        early_s = first / rate - (time.monotonic() - began) if rate else 0.0
        if stop.wait(max(0.0, early_s)):
            raise StoppedError
        yield from page[first : first + _AT_A_TIME]
