"""`rekindle publish`: events from a file into the source topics, as an upstream producer would write them.

The whole file is read and checked before the first record leaves, so that a mistake in the last line leaves nothing
half done. Then it is read again and sent in its order (`streams.publisher`). Publishing a file twice changes nothing
for what the pipeline decides, since a repeated `event_id` of the same source is ignored (within 7 days).
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from streams.engine.events import Event
    from streams.settings import Settings

_PROGRESS_EVERY = 1_000


@click.command()
@click.argument("events", type=click.Path(path_type=Path))
def command(events: Path) -> None:
    """Publish the events of a file of JSON lines, EVENTS.jsonl.

    Says per topic how many were published: a table on a terminal; piped, JSON lines {"topic", "events"}.
    """
    from streams import settings
    from streams.cli._progress import count_progress
    from streams.publisher import check_topics

    configured = settings.load()
    with count_progress("checked") as advance:
        checked = Counter(topic for topic, _ in _read(events, advance))
    check_topics(configured, set(checked))
    with count_progress("published", total=checked.total()) as advance:
        _publish(configured, _read(events, lambda _: None), advance)
    _show(checked)


def _read(path: Path, advance: Callable[[int], None]) -> Iterator[tuple[str, "Event"]]:
    """Read the events with their topics; raises `InputError` for a line that is none."""
    from schemas.json_lines import read_file
    from streams.engine.events import Event
    from streams.publisher import topic_of

    count = 0
    for count, (record, _) in enumerate(read_file(path, events_only=True), 1):
        assert isinstance(record, Event)
        yield topic_of(record.type), record
        if count % _PROGRESS_EVERY == 0:
            advance(_PROGRESS_EVERY)
    advance(count % _PROGRESS_EVERY)


def _publish(settings: "Settings", events: Iterator[tuple[str, "Event"]], advance: Callable[[int], None]) -> None:
    from streams.errors import RekindleError
    from streams.publisher import NotPublishedError, Publisher

    publisher = Publisher(settings, advance)
    try:
        for _, event in events:
            publisher.publish(event)
        publisher.flush()
    except NotPublishedError as error:
        raise RekindleError(f"{error}; publish the file again, events that are known change nothing") from error


def _show(counts: Counter[str]) -> None:
    from schemas.catalogue import SOURCE_TOPICS

    rows = [(topic, counts[topic]) for topic in SOURCE_TOPICS if counts[topic]]
    if not sys.stdout.isatty():
        for topic, count in rows:
            click.echo(json.dumps({"topic": topic, "events": count}))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("topic", "events published")
    for topic, count in rows:
        table.add_row(topic, str(count))
    Console().print(table)
