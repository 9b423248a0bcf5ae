"""What identity and the profile cost, in microseconds of processor time per event, on the mix of the demo.

`demo`: its events as they come, most of which name nobody besides the member; `named`: the same, where each visit and
purchase also names a visitor or a card, and every third has no member id and is found by it. `python -m bench.identity`
prints JSON. Identity's table is in memory, as `simulate` keeps it.
"""

import json
import time
from collections.abc import Iterable, Sequence

import msgspec

from streams.demo.input import generate
from streams.engine.events import Event
from streams.engine.profile import apply_to_profile
from streams.engine.state import MemberState, new
from streams.identity.identify import identify
from streams.identity.links import LinkTable

MEMBERS = 300
ROUNDS = 3
NAMELESS_EVERY = 3


def measure() -> dict[str, dict[str, float]]:
    """The figures: the best of some rounds each."""
    events = list(generate(MEMBERS))
    mixes = {"demo": events, "named": list(named(events))}
    found = {mix: [each_us(taken) for _ in range(ROUNDS)] for mix, taken in mixes.items()}
    return {
        "identity_us": {mix: round(min(identity for identity, _ in rounds), 2) for mix, rounds in found.items()},
        "identity_and_profile_us": {mix: round(min(map(sum, rounds)), 2) for mix, rounds in found.items()},
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
        found = identify(links, event, "RU")
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


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
