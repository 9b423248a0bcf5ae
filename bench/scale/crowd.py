"""Any number of members in the stores of a worker's partitions, as their changelog would have put them there.

Each is a copy of one of a few dozen typical members that the engine itself made (a registration, six purchases; three
timers: the come-back journey's, the birthday's, the anniversary's), under a key of its own of the same length, so that
the copies differ in their bytes. The last purchases lie within the two weeks before the benchmark's receipts.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from bench.support.ground import DAY_MS, PROGRAMME
from streams.engine import state as state_module
from streams.engine import state_bytes, step
from streams.engine.events import Event
from streams.ingest.partitions import partition_of
from streams.members.record import pack
from streams.members.store import PartitionStore
from streams.programme import load, read_directory

PARTITIONS = 4
TIMERS = 3
PURCHASES = 6
VARIANTS = 56
FILL = 20_000
_KEY = "m0000000"


def programme_files() -> Mapping[str, str]:
    """The benchmark's programme, and two campaigns by date."""
    greet = "{send: {channel: sms, template: come-back, messaging_type: service}}"
    return {
        **read_directory(PROGRAMME),
        "birthday.yaml": f'id: birthday\ntrigger: {{date: birth_date, at: "10:00"}}\nactions: [{greet}]\n',
        "anniversary.yaml": f'id: anniversary\ntrigger: {{date: registered_at, at: "12:00"}}\nactions: [{greet}]\n',
    }


def typical(until: int, *, same_due: bool = False) -> Sequence[bytes]:
    """Records of members whose last purchase was in the two weeks before `until` (ms), or all at one moment."""
    programme = load([dict(programme_files())])
    return [
        _record(programme, until - DAY_MS if same_due else until - variant * DAY_MS // 4, variant)
        for variant in range(VARIANTS)
    ]


def _record(programme: object, last: int, variant: int) -> bytes:
    member = state_module.new(_KEY)

    def happen(kind: str, at: int, **body: object) -> None:
        header = {"event_id": f"{kind}-{at}", "source": "pos", "key": _KEY, "member_id": _KEY}
        step.handle(programme, member, Event(**header, type=kind, occurred_at=at, body=body))  # type: ignore[arg-type]

    happen(
        "registration_completed",
        last - 90 * DAY_MS,
        first_name="Anna",
        last_name="Petrova",
        phone=f"+7916123{variant:04d}",
        email=f"anna.petrova.{variant}@example.com",
        birth_date=date(1980, 1 + variant % 12, 1 + variant % 28),
        city="Москва",
    )
    for number in reversed(range(PURCHASES)):
        happen(
            "purchase_completed",
            last - number * 9 * DAY_MS,
            total=Decimal(number + 1),
            receipt_id=f"3119857{variant:04d}",
            store_id="330",
            pos_id="330-5",
        )
    assert len(member.timers) == TIMERS, member.timers
    return pack(member.next_due(), state_bytes.encode(member))


def open_stores(folder: Path, partitions: int = PARTITIONS) -> Sequence[PartitionStore]:
    """The partitions' stores."""
    return [PartitionStore(folder / "state" / str(partition)) for partition in range(partitions)]


def fill(stores: Sequence[PartitionStore], members: int, records: Sequence[bytes]) -> int:
    """Put so many members into their partitions; returns the bytes of their records."""
    size = 0
    for start in range(0, members, FILL):
        changes: list[list[tuple[bytes, bytes, None]]] = [[] for _ in stores]
        for key, value in _copies(start, min(start + FILL, members), records):
            changes[partition_of(key, len(stores))].append((key, value, None))
            size += len(value)
        for store, own in zip(stores, changes, strict=True):
            store.write(own, start)
    return size


def _copies(start: int, end: int, records: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    template = _KEY.encode()
    for number in range(start, end):
        key = b"m%07d" % number
        yield key, records[number * 2_654_435_761 % len(records)].replace(template, key)
