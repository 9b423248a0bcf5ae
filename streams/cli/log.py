"""`rekindle log`: `member.events` as a file, in the order in which it decides.

The file holds each partition's records in their order; across partitions they are merged by how far each partition has
come in time (its greatest `occurred_at` so far), so that the file reads as time goes. `simulate --in-order` of it gives
the live run's decisions. Memory stays bounded: each partition is spooled to disk first, then the spools are merged. The
file appears only when it is complete.
"""

import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from streams.settings import Settings

TOPIC = "member.events"
POLL_SECONDS = 0.25
SILENT_SECONDS_MAX = 30.0
_BATCH_RECORDS = 5_000


@click.command()
@click.option(
    "--export", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write."
)
def command(file: Path) -> None:
    """Export member.events, from its beginning to its present end, as JSON lines.

    Each line is an event, a tick or a programme that was applied, with an object "log": {"partition", "offset", "key"}.
    """
    from confluent_kafka import KafkaException

    from streams import settings
    from streams.errors import RekindleError

    try:
        count = _export(settings.load(), file)
    except KafkaException as error:
        raise RekindleError(f"{TOPIC} cannot be read: {error.args[0].str()}") from None
    except OSError as error:
        raise RekindleError(f"{file}: cannot be written: {error.strerror}") from None
    click.echo(f"{count} records written to {file}", err=True)


def _export(settings: "Settings", file: Path) -> int:
    from streams.errors import RekindleError
    from streams.kafka import partition_counts

    partitions = partition_counts(settings).get(TOPIC)
    if partitions is None:
        raise RekindleError(f"topic {TOPIC} is missing: run `rekindle topics create`")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".rekindle-log-", dir=file.parent)))
        spools = [_open(stack, folder / str(partition), "w") for partition in range(partitions)]
        count = _spool(settings, spools, folder)
        for spool in spools:
            spool.close()
        complete = folder / "complete"
        with open(complete, "w", encoding="utf-8", opener=_for_the_owner) as target:
            sorted_spools = [_lines(_open(stack, folder / str(partition), "r")) for partition in range(partitions)]
            target.writelines(line for _, line in heapq.merge(*sorted_spools, key=lambda entry: entry[0]))
            target.flush()
            os.fsync(target.fileno())
        complete.replace(file)
    return count


def _for_the_owner(path: str, flags: int) -> int:
    """Open a file that nobody else may read: what is sealed in the log stands plainly in it."""
    return os.open(path, flags, 0o600)


def _open(stack: ExitStack, path: Path, mode: str) -> IO[str]:
    return stack.enter_context(path.open(mode, encoding="utf-8", newline="\n"))


def _lines(spool: Iterable[str]) -> Iterator[tuple[int, str]]:
    for line in spool:
        reached, _, record = line.partition("\t")
        yield int(reached), record


def _spool(settings: "Settings", spools: list[IO[str]], folder: Path) -> int:
    """Write each partition's committed records to its spool, each with how far time has come; their number."""
    from confluent_kafka import TopicPartition

    from schemas.codec import Codec
    from schemas.registry import Registry
    from streams.cli._progress import count_progress
    from streams.kafka import READS_TO_END, Kafka
    from streams.sealing.log_reader import LogReader
    from streams.sealing.open import open_ring

    kafka = Kafka(settings)
    consumer = kafka.consumer("rekindle-log-export", {**READS_TO_END, "log_level": 0})
    ring = open_ring(settings, kafka, folder)
    reader = LogReader(Codec(Registry.from_settings(settings)), ring)
    try:
        if ring is not None:
            ring.follow(range(len(spools)))
        whole = [TopicPartition(TOPIC, partition, 0) for partition in range(len(spools))]
        bounds = [consumer.get_watermark_offsets(each, timeout=SILENT_SECONDS_MAX) for each in whole]
        for each, (low, _) in zip(whole, bounds, strict=True):
            each.offset = low
        consumer.assign(whole)
        with count_progress("exported") as advance:
            writers = [_Spool(partition, spool, reader) for partition, spool in enumerate(spools)]
            open_partitions = {each.partition for each, (low, high) in zip(whole, bounds, strict=True) if low < high}
            for messages in _batches(consumer, open_partitions, [high for _, high in bounds]):
                for partition, batch in messages.items():
                    writers[partition].write(batch)
                    advance(len(batch))
        shredded = sum(writer.shredded for writer in writers)
        if shredded:
            click.echo(f"{shredded} records of members who were erased are left out: nobody can read them", err=True)
        return sum(writer.count for writer in writers)
    finally:
        consumer.close()
        if ring is not None:
            ring.close()


def _batches(consumer: Any, open_partitions: set[int], ends: list[int]) -> Iterator[dict[int, list[Any]]]:
    """Consume up to the ends that the partitions had, whatever is written meanwhile."""
    import time

    from confluent_kafka import KafkaError

    from streams.errors import RekindleError

    heard = time.monotonic()
    while open_partitions:
        messages = consumer.consume(_BATCH_RECORDS, POLL_SECONDS)
        if messages:
            heard = time.monotonic()
        elif time.monotonic() - heard > SILENT_SECONDS_MAX:
            raise RekindleError(f"Kafka sends no records of {TOPIC} for {SILENT_SECONDS_MAX:g} s")
        batches: dict[int, list[Any]] = {}
        for message in messages:
            partition = message.partition()
            error = message.error()
            if error is not None:
                # The end of what is committed: transactions that are open or markers may lie behind it.
                if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                    raise RekindleError(f"{TOPIC} cannot be read: {error.str()}")
                open_partitions.discard(partition)
            elif message.offset() >= ends[partition]:
                open_partitions.discard(partition)
            else:
                batches.setdefault(partition, []).append(message)
        yield batches


class _Spool:
    """Writes the records of one partition as lines, each after the greatest `occurred_at` up to it."""

    def __init__(self, partition: int, spool: IO[str], reader: Any) -> None:
        self._partition = partition
        self._spool = spool
        self._reader = reader
        self._reached: int | None = None
        self.count = 0
        self.shredded = 0

    def write(self, messages: list[Any]) -> None:
        from schemas.codec import BadRecord
        from schemas.json_lines import LogPosition, format_record
        from streams.sealing.log_reader import Shredded

        values = [message.value() for message in messages]
        keys = [message.key() for message in messages]
        for message, key, record in zip(messages, keys, self._reader.read(self._partition, values, keys), strict=True):
            if isinstance(record, BadRecord):
                click.echo(
                    f"rekindle: {TOPIC}, partition {self._partition}, offset {message.offset()} is left out: "
                    f"{record.reason}",
                    err=True,
                )
                continue
            if isinstance(record, Shredded):
                self.shredded += 1
                continue
            at = record.occurred_at
            self._reached = at if self._reached is None else max(self._reached, at)
            position = LogPosition(
                partition=self._partition, offset=message.offset(), key=None if key is None else key.decode()
            )
            self._spool.write(f"{self._reached}\t{format_record(record, log=position)}\n")
            self.count += 1
