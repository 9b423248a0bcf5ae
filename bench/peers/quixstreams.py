"""Quix Streams: a stateful data frame over RocksDB with a changelog, its own checkpoints, exactly-once off.

It has no timers, and a function reaches no state but that of the record at hand: due times stand in the state, a heap
in memory keeps them in order, and what falls due is put out from there; the member's state learns of it with the next
event. That is less than the others do: what stood in the heap is lost with the process.
"""

import heapq
import itertools
from typing import Any

from quixstreams import Application, State

from bench.peers import work

app = Application(
    broker_address=work.SERVERS,
    consumer_group=work.GROUP,
    auto_offset_reset="earliest",
    auto_create_topics=True,
    state_dir=work.DIRECTORY,
    loglevel="WARNING",
    use_changelog_topics=True,
)
timers: list[tuple[int, int, str, work.State]] = []
numbers = itertools.count()


def handle(value: bytes, state: State) -> list[bytes]:
    """Count the record at hand, and put out what has come due meanwhile."""
    event = work.read(value)
    if event is None:
        return []
    found = []
    while timers and timers[0][0] <= event["at"]:
        due, _, late, known = heapq.heappop(timers)
        if known["due"] == due:
            work.fire(known)
            if known["due"] is not None:
                heapq.heappush(timers, (known["due"], next(numbers), late, known))
            found.append(work.command(known, late, due))
    member = event["member_id"]
    own = state.get("member") or work.fresh()
    if event["type"] == "registration_completed":
        work.register(own, event)
    else:
        earlier = running.get(member)
        if earlier is not None:
            earlier["due"] = None  # its entry in the heap is stale
        work.count(own, event)
        running[member] = own
        heapq.heappush(timers, (own["due"], next(numbers), member, own))
    state.set("member", own)
    return found


running: dict[str, work.State] = {}

if __name__ == "__main__":
    receipts: Any = app.topic(work.INPUT, key_deserializer="bytes", value_deserializer="bytes")
    commands = app.topic(work.OUTPUT, key_serializer="str", value_serializer="bytes")
    frame = app.dataframe(receipts)
    frame = frame.filter(lambda _value, key, _time, _headers: key is not None, metadata=True)
    frame = frame.apply(handle, stateful=True, expand=True)
    frame = frame.to_topic(commands, key=work.member_of)
    app.run()
