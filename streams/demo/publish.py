"""The upstream producer of the demo: the whole year as Avro into the source topics, in order of time."""

from collections.abc import Iterator

from streams.demo.input import FIRST_MOMENT_MS, generate
from streams.publisher import Publisher
from streams.settings import Settings

_YEAR_MS = 366 * 86_400_000
_REPORT_EVERY = 2000


def publish_year(settings: Settings, members: int | None = None) -> Iterator[tuple[int, float]]:
    """Publish the events of the first so many members (all by default); yields how many, and the share of the year.

    Raises `RekindleError` when the broker or the registry fails, or doesn't take a record.
    """
    publisher = Publisher(settings)
    published = 0
    for event in generate(members):
        publisher.publish(event)
        published += 1
        if published % _REPORT_EVERY == 0:
            yield published, (event.occurred_at - FIRST_MOMENT_MS) / _YEAR_MS
    publisher.flush()
    yield published, 1.0
