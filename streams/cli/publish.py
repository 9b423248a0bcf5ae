"""`rekindle publish`: events from a file into the source topics, as an upstream producer would write them.

The whole file is read and checked before the first record leaves, so that a mistake in the last line leaves nothing
half done. Then it is read again and sent in its order: key = member id, else the stranger's key; Kafka timestamp =
`occurred_at`; acknowledged by all replicas. Publishing a file twice changes nothing for what the pipeline decides,
since a repeated `event_id` of the same source is ignored (within 7 days).
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streams.engine.events import Event
    from streams.settings import Settings

QUEUED_RECORDS_MAX = 100_000
FLUSH_SECONDS = 60.0
_PROGRESS_EVERY = 1_000


@click.command()
@click.argument("events", type=click.Path(path_type=Path))
def command(events: Path) -> None:
    """Publish the events of a file of JSON lines, EVENTS.jsonl.

    Says per topic how many were published: a table on a terminal; piped, JSON lines {"topic", "events"}.
    """
    from streams import settings
    from streams.cli._progress import count_progress

    configured = settings.load()
    with count_progress("checked") as advance:
        checked = Counter(topic for topic, _ in _read(events, advance))
    _check_topics(configured, checked)
    with count_progress("published", total=checked.total()) as advance:
        _publish(configured, _read(events, lambda _: None), advance)
    _show(checked)


def _read(path: Path, advance: Callable[[int], None]) -> Iterator[tuple[str, "Event"]]:
    """Read the events with their topics; raises `InputError` for a line that is none."""
    from schemas.catalogue import EVENT_TYPES
    from schemas.json_lines import read_file
    from streams.engine.events import Event

    count = 0
    for count, (record, _) in enumerate(read_file(path, events_only=True), 1):
        assert isinstance(record, Event)
        topic = EVENT_TYPES[record.type].topic
        assert topic is not None, "the reader refuses types without a topic"
        yield topic, record
        if count % _PROGRESS_EVERY == 0:
            advance(_PROGRESS_EVERY)
    advance(count % _PROGRESS_EVERY)


def _check_topics(settings: "Settings", wanted: Counter[str]) -> None:
    from streams.errors import RekindleError
    from streams.kafka import partition_counts

    missing = sorted(wanted.keys() - partition_counts(settings).keys())
    if missing:
        raise RekindleError(f"topics are missing ({', '.join(missing)}): run `rekindle topics create`")


def _publish(settings: "Settings", events: Iterator[tuple[str, "Event"]], advance: Callable[[int], None]) -> None:
    from confluent_kafka import KafkaException, Producer

    from schemas.codec import Codec
    from schemas.registry import Registry
    from streams.errors import RekindleError
    from streams.kafka import producer_config

    codec = Codec(Registry.from_settings(settings))
    producer = Producer(
        {**producer_config(settings), "queue.buffering.max.messages": QUEUED_RECORDS_MAX, "log_level": 0}
    )
    failures: list[str] = []
    acknowledged = 0

    def on_delivery(error: Any, _message: Any) -> None:
        nonlocal acknowledged
        if error is not None:
            failures.append(error.str())
            return
        acknowledged += 1
        if acknowledged % _PROGRESS_EVERY == 0:
            advance(_PROGRESS_EVERY)

    for topic, event in events:
        value = codec.encode(event)
        while not failures:
            try:
                # A timestamp of 0 would mean "now" to the client, and Kafka has none before 1970.
                producer.produce(
                    topic, value, event.key.encode(), timestamp=max(event.occurred_at, 1), on_delivery=on_delivery
                )
                break
            except BufferError:
                producer.poll(0.1)
            except KafkaException as error:
                failures.append(error.args[0].str())
        producer.poll(0)
        if failures:
            break
    left = producer.flush(FLUSH_SECONDS)
    if failures or left:
        reason = failures[0] if failures else f"{left} not acknowledged within {FLUSH_SECONDS:g} s"
        raise RekindleError(
            f"Kafka did not take all events ({reason}): {acknowledged} are published; publish the file again, "
            "events that are known change nothing"
        )
    advance(acknowledged % _PROGRESS_EVERY)


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
