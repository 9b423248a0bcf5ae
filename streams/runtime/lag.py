"""How much of its input each consumer group has still to handle, by partition.

The distance between a commit and the end of a partition isn't it: markers of transactions and aborted records stand in
between and will never be handled. Where that distance is short, this reads what is there, as any `read_committed`
consumer would: if nothing comes before the end, nothing is waiting.

Offsets are asked for as a member of the group would, not through the admin interface: there librdkafka ends the whole
process (SIGSEGV, its issue 5040) when a broker answers that it isn't the group's coordinator, as a fresh one does.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from streams.errors import RekindleError
from streams.kafka import READS_TO_END, Kafka, admin_client, consumer_config, partition_counts
from streams.runtime.group_offsets import Committed, Note, read_note
from streams.settings import Settings
from streams.topics import (
    INGEST_INPUTS,
    MEMBER_EVENTS,
    ingest_group,
    members_changelog,
    members_group,
    profiles_group,
)

TIMEOUT_SECONDS = 15.0
DOUBTFUL_OFFSETS_MAX = 20_000
LOOK_SECONDS_MAX = 10.0
AGAIN_SECONDS = 0.1
_PASSING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError._WAIT_COORD,  # noqa: SLF001 - the client's public name for it
}

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Lag:
    """One partition as one group sees it. `records` waits, at most (exact when it is 0).

    `has_open_ticks`: all is read, but ticks among it still have timers to fire, or a programme among it members to come
    to. `committed_at` is when the offset was committed, `oldest_due` when the earliest timer of a members partition is
    due, in ms since the epoch; None also where a worker of before committed, who didn't tell.
    """

    stage: str
    topic: str
    partition: int
    committed: int | None
    end: int
    records: int
    has_open_ticks: bool = False
    committed_at: int | None = None
    oldest_due: int | None = None


class LagReader:
    """Reads the lag of all stages: ingest and members, and profiles, senders and sinks if they were ever started."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts = partition_counts(settings)
        self._admin = admin_client(settings)
        self._readers: dict[str, Consumer] = {}
        self._consumer = Kafka(settings).consumer(f"{settings.group_prefix}-status", READS_TO_END)

    def read(self, *, whole: bool = True) -> Sequence[Lag]:
        """Return the lag of every stage, in the order of the way of an event; or of ingest and members alone.

        Raises `RekindleError`.
        """
        try:
            rows: list[Lag] = []
            for stage, group in self._groups() if whole else self._workers():
                rows.extend(self._read_group(stage, group))
        except KafkaException as error:
            raise RekindleError(f"the lag cannot be read: {error.args[0].str()}") from error
        return rows

    def close(self) -> None:
        """Close the connections."""
        for consumer in (self._consumer, *self._readers.values()):
            consumer.close()

    def _workers(self) -> Sequence[tuple[str, str]]:
        return (("ingest", ingest_group(self._settings)), ("members", members_group(self._settings)))

    def _groups(self) -> Sequence[tuple[str, str]]:
        prefix = f"{self._settings.group_prefix}-"
        listed = self._admin.list_consumer_groups(request_timeout=TIMEOUT_SECONDS).result()
        own = {ingest_group(self._settings), members_group(self._settings)}
        others = sorted(
            group.group_id
            for group in listed.valid
            if group.group_id.startswith((f"{prefix}sender", f"{prefix}sink")) and group.group_id not in own
        )
        profiles = profiles_group(self._settings)
        if any(group.group_id == profiles for group in listed.valid):
            others.insert(0, profiles)
        return [*self._workers(), *((group.removeprefix(prefix), group) for group in others)]

    def _read_group(self, stage: str, group: str) -> Sequence[Lag]:
        found = self._committed(group)
        committed = {place: each.offset for place, each in found.items()}
        notes = {place: each.note for place, each in found.items()}
        places = sorted(self._inputs(stage, group) | set(committed), key=lambda each: (_rank(each[0]), each))
        begins = self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        ends = self._offsets(places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        starts = {place: max(committed.get(place, 0), begins[place]) for place in places}
        distances = {place: max(ends[place] - starts[place], 0) for place in places}
        doubtful = [place for place, distance in distances.items() if 0 < distance <= DOUBTFUL_OFFSETS_MAX]
        waiting = self._with_records({place: starts[place] for place in doubtful})
        rows = []
        for place in places:
            note = notes.get(place, Note())
            records = 0 if place in doubtful and place not in waiting else distances[place]
            rows.append(
                Lag(
                    stage,
                    *place,
                    committed.get(place),
                    ends[place],
                    max(records, note.open_ticks),
                    has_open_ticks=note.open_ticks,
                    committed_at=note.at,
                    oldest_due=note.due,
                )
            )
        return rows

    def _inputs(self, stage: str, group: str) -> set[Place]:
        topics: Collection[str] | None = {
            "ingest": INGEST_INPUTS,
            "members": (MEMBER_EVENTS,),
            "profiles": (members_changelog(self._settings),),
        }.get(stage)
        if topics is not None:
            return {(topic, partition) for topic in topics for partition in range(self._counts.get(topic, 0))}
        described = self._admin.describe_consumer_groups([group], request_timeout=TIMEOUT_SECONDS)[group].result()
        return {
            (each.topic, each.partition)
            for member in described.members
            if member.assignment is not None
            for each in member.assignment.topic_partitions
        }

    def _committed(self, group: str) -> Mapping[Place, Committed]:
        if group not in self._readers:
            # it never joins; what is pending in a transaction isn't waited for
            config = {**consumer_config(self._settings, group), "isolation.level": "read_uncommitted"}
            self._readers[group] = Consumer(config)
        asked = [TopicPartition(topic, each) for topic, count in self._counts.items() for each in range(count)]
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                found = self._readers[group].committed(asked, timeout=TIMEOUT_SECONDS)
                break
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() > deadline:
                    raise
                time.sleep(AGAIN_SECONDS)
        return {
            (each.topic, each.partition): Committed(each.offset, read_note(each.metadata))
            for each in found
            if each.offset >= 0
        }

    def _offsets(self, places: Collection[Place], which: OffsetSpec) -> Mapping[Place, int]:
        asked = {TopicPartition(*place): which for place in places}
        if not asked:
            return {}
        futures = self._admin.list_offsets(asked, request_timeout=TIMEOUT_SECONDS)
        return {(each.topic, each.partition): future.result().offset for each, future in futures.items()}

    def _with_records(self, starts: Mapping[Place, int]) -> set[Place]:
        """Return the partitions in which a committed record stands at or after a position."""
        if not starts:
            return set()
        found: set[Place] = set()
        undecided = set(starts)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in starts.items()])
        deadline = time.monotonic() + LOOK_SECONDS_MAX
        while undecided and time.monotonic() < deadline:
            message = self._consumer.poll(0.5)
            if message is None:
                continue
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                raise KafkaException(error)
            place = (str(message.topic()), int(message.partition() or 0))
            if place not in undecided:
                continue
            undecided.discard(place)
            if error is None:
                found.add(place)
                self._consumer.incremental_unassign([TopicPartition(*place)])
        self._consumer.unassign()
        return found | undecided


def _rank(topic: str) -> int:
    return INGEST_INPUTS.index(topic) if topic in INGEST_INPUTS else len(INGEST_INPUTS)


_WAITS = ("ingest", "members", "profiles", "")
"""The stages to wait for, one after another; the empty one is all the others."""


def _is_handled(rows: Sequence[Lag], stage: str, ends: Mapping[Place, int]) -> bool:
    """Tell whether a stage has handled what stood in its topics up to `ends`."""
    return all(
        not row.has_open_ticks
        and (row.records == 0 or (row.committed or 0) >= ends.get((row.topic, row.partition), row.end))
        for row in rows
        if (row.stage == stage if stage else row.stage not in _WAITS)
    )


def await_handled(reader: LagReader, seconds: float, pause_seconds: float = 0.3) -> tuple[bool, Sequence[Lag]]:
    """Wait until all input is handled; returns whether it came to that, and the last rows.

    Ticks go on by the wall clock, so nothing ever stands still: what counts is what stood in the topics when the stage
    before was done. Ingest first; then the members, up to the end that `member.events` had by then; then the profiles,
    up to that of the changelog; then senders and sinks, up to the ends that their topics had by then. If the source
    topics have grown meanwhile (a sender reports statuses), it begins again.
    """
    deadline = time.monotonic() + seconds
    sources: Mapping[Place, int] | None = None
    done = 0
    ends: Mapping[Place, int] = {}
    while True:
        rows = reader.read()
        grown = _ends(row for row in rows if row.stage == "ingest")
        if grown != sources:
            sources, done, ends = grown, 0, grown
        elif done == len(_WAITS):
            return True, rows
        if _is_handled(rows, _WAITS[done], ends):
            done, ends = done + 1, _ends(rows)
            continue
        if time.monotonic() + pause_seconds > deadline:
            return False, rows
        time.sleep(pause_seconds)


def _ends(rows: Iterable[Lag]) -> Mapping[Place, int]:
    return {(row.topic, row.partition): row.end for row in rows}
