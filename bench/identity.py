"""What identity and the profile cost, in microseconds of processor time per event, on the mix of the demo.

`demo`: its events as they come, most of which name nobody besides the member; `named`: the same, where each visit and
purchase also names a visitor or a card, and every third has no member id and is found by it. There the table is in
memory, as in `simulate`. `carried_on`: what the profiles stage adds on the demo's mix, with all its members and states
that its campaigns have made: profiles gather for a second, in which a worker at half its rate has 9,000 events.

`links`: the table as ingest has it, in RocksDB, with so many names (an argument, a million by default), two of each
member. Events of members at random that give one of their names, and events without a member id that are found by one,
in batches of 5,000, without Kafka: looked up, judged, changed, written. Memory is that of the whole process.
`python -m bench.identity [NAMES]` prints JSON.
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from bench.engine import ROOT, run
from schemas.codec import Codec
from schemas.registry import CommittedSchemas
from streams.demo.input import generate
from streams.engine.events import Event
from streams.engine.profile import apply_to_profile
from streams.engine.state import MemberState, new
from streams.engine.state_bytes import encode
from streams.identity.identifiers import HEADER, Naming
from streams.identity.identifiers import names as names_of
from streams.identity.identify import identify
from streams.identity.links import Changes, Link, LinkTable
from streams.ingest.shared_links import SharedLinks
from streams.members.record import pack
from streams.members.store import PartitionStore
from streams.profiles.make import profile_value
from streams.programme import load, read_directory

MEMBERS = 300
ROUNDS = 3
NAMELESS_EVERY = 3
NAMES = 1_000_000
BATCH = 5_000
BATCHES = 40
GATHERED = 9_000


def measure() -> dict[str, dict[str, float]]:
    """The figures: the best of some rounds each."""
    events = list(generate(MEMBERS))
    mixes = {"demo": events, "named": list(named(events))}
    found = {mix: [each_us(taken) for _ in range(ROUNDS)] for mix, taken in mixes.items()}
    return {
        "identity_us": {mix: round(min(identity for identity, _ in rounds), 2) for mix, rounds in found.items()},
        "identity_and_profile_us": {mix: round(min(map(sum, rounds)), 2) for mix, rounds in found.items()},
        "carried_on": carried_on(),
    }


def named(events: Iterable[Event]) -> Iterable[Event]:
    """The events with what else they may be known by."""
    for number, event in enumerate(events):
        name = "card_number" if event.type == "purchase_completed" else "visitor_id"
        member = event.member_id if number % NAMELESS_EVERY else None
        yield msgspec.structs.replace(event, member_id=member, body={**event.body, name: f"of {event.key}"})


def each_us(events: Sequence[Event]) -> tuple[float, float]:
    """What one event costs: its identity, and what it does to the profile (µs)."""
    links = LinkTable()
    whose = []
    started = time.process_time()
    for event in events:
        found = identify(links, event, Naming("RU"))
        if found.changes is not None:
            links.take(found.changes)
        whose.append(found.key)
    identified = time.process_time()
    states: dict[str, MemberState] = {key: new(key) for key in whose}
    prepared = time.process_time()
    for event, key in zip(events, whose, strict=True):
        apply_to_profile(states[key], event, late=False, region="RU")
    done = time.process_time()
    return (identified - started) / len(events) * 1e6, (done - prepared) / len(events) * 1e6


def carried_on() -> dict[str, float]:
    """Profiles per event, and what they cost each event (µs)."""
    codec, programme = Codec(CommittedSchemas()), load([read_directory(ROOT / "campaigns")])
    states: dict[str, MemberState] = {}
    coming = generate()
    events, profiles, spent = 0, 0, 0.0
    while batch := list(islice(coming, GATHERED)):
        run(programme, batch, states)
        records = [pack(None, encode(states[key])) for key in {event.key for event in batch}]
        started = time.process_time()
        for record in records:
            profile_value(codec, record)
        spent += time.process_time() - started
        events, profiles = events + len(batch), profiles + len(records)
    return {"profiles_per_event": round(profiles / events, 2), "us_per_event": round(spent / events * 1e6, 2)}


class Alone(SharedLinks):
    """The table without a changelog to follow: what is changed is written at once."""

    def __init__(self, path: Path) -> None:
        super().__init__(None, "", path)  # type: ignore[arg-type]
        self._store = PartitionStore(path)
        self._offset = 0

    def write(self) -> None:
        """Put into the store what was changed."""
        self._offset += 1
        self._open.write(((key, value, None) for key, value in self.changes()), self._offset)
        self._changed, self._found = {}, {}


def fill(links: Alone, names: int) -> None:
    """Give each member a card and a visitor."""
    for first in range(0, names // 2, 10_000):
        numbers = range(first, min(first + 10_000, names // 2))
        given = {f"{kind}:{number}": Link(f"m{number}", 0) for number in numbers for kind in ("card", "visitor")}
        links.take(Changes(given, {}))
        links.write()


def drawn(rng: random.Random, members: int) -> Iterator[Event]:
    """Events of members at random, each with one of two names, every third without a member id."""
    for number in range(BATCH):
        member = rng.randrange(members)
        name = rng.choice(("card_number", "visitor_id"))
        yield Event(
            event_id=str(number),
            type="site_visited",
            occurred_at=1 + number,
            source="bench",
            key=f"m{member}",
            member_id=f"m{member}" if number % NAMELESS_EVERY else None,
            body={name: str(member)},
        )


def links_us(names: int, folder: Path) -> dict[str, float]:
    """What an event costs (µs of processor time), and what the process takes."""
    links = Alone(folder / "links")
    fill(links, names)
    rng = random.Random(1)
    spent = 0.0
    for _ in range(BATCHES):
        events = list(drawn(rng, names // 2))
        started = time.process_time()
        links.prefetch(
            (name for each in events for name in names_of(each.body, Naming("RU"), HEADER)),
            (each.member_id for each in events if each.member_id),
        )
        for event in events:
            found = identify(links, event, Naming("RU"))
            if found.changes is not None:
                links.take(found.changes)
        links.write()
        spent += time.process_time() - started
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    on_disk = sum(path.stat().st_size for path in (folder / "links").rglob("*") if path.is_file())
    links.close()
    return {
        "names": names,
        "us_per_event": round(spent / BATCH / BATCHES * 1e6, 2),
        "resident_mib": round(resident / 2**20),
        "disk_mib": round(on_disk / 2**20),
    }


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        table = links_us(int(sys.argv[1]) if len(sys.argv) > 1 else NAMES, Path(folder))
    print(json.dumps({**measure(), "links": table}, indent=2))
