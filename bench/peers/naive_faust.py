"""Faust as its own introduction shows it: one event at a time, a table in RocksDB with its changelog, a send.

Timers are what a program of that kind has: a heap in memory over the due times that the table keeps, looked at with
every event (Faust has none that follow event time). A member's state is written by the partition at hand alone, so
each partition has a heap of its own.
"""

import heapq
import sys
from collections import defaultdict
from typing import Any

import faust

from bench.peers import work

app = faust.App(
    work.GROUP,
    broker=f"kafka://{work.SERVERS}",
    store="rocksdb://?driver=rocksdict",
    datadir=work.DIRECTORY,
    consumer_auto_offset_reset="earliest",
    topic_partitions=4,
    web_enabled=False,
)
receipts = app.topic(work.INPUT, value_serializer="raw", key_serializer="raw", value_type=bytes, key_type=bytes)
commands = app.topic(work.OUTPUT, value_serializer="raw", key_serializer="raw", value_type=bytes, key_type=bytes)
members = app.Table("members", partitions=4, key_type=str)
timers: dict[int, list[tuple[int, str]]] = defaultdict(list)


@app.agent(receipts)
async def handle(stream: Any) -> None:
    """One event at a time."""
    async for message in stream.events():
        event = work.read(message.value)
        if event is None:
            continue
        member = message.key.decode()
        own = timers[message.message.partition]
        while own and own[0][0] <= event["at"]:
            due, late = heapq.heappop(own)
            state = members[late]
            if state["due"] == due:
                work.fire(state)
                members[late] = state
                if state["due"] is not None:
                    heapq.heappush(own, (state["due"], late))
                await commands.send(key=late.encode(), value=work.command(state, late, due))
        state = members.get(member) or work.fresh()
        if event["type"] == "registration_completed":
            work.register(state, event)
        else:
            work.count(state, event)
            heapq.heappush(own, (state["due"], member))
        members[member] = state


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "warn"]
    app.main()
