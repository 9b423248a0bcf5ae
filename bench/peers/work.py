"""The work that every peer does for a member, as a Python program would do it without Rekindle; Java's twin is beside.

A receipt counts (purchases, what they came to, a sum per day over thirty days) and ends the member's running
come-back journey with whatever it had set; then it begins a new one: two weeks later a message, two more weeks later
another. A registration gives the name and the phone that a message needs. Which is which, and how it is written, the
schema's id says.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import fastavro

DAY_MS = 86_400_000
WAIT_MS = 14 * DAY_MS
WINDOW_DAYS = 30
MESSAGES = 2
State = dict[str, Any]


def read_schemas(path: str) -> dict[bytes, Any]:
    """Schemas by the bytes that a record of theirs begins with."""
    written = json.loads(Path(path).read_text())
    return {bytes.fromhex(head): fastavro.parse_schema(schema) for head, schema in written.items()}


SCHEMAS = read_schemas(os.environ["BENCH_SCHEMAS"])
SERVERS = os.environ["REKINDLE_KAFKA_BOOTSTRAP_SERVERS"]
GROUP = os.environ["BENCH_GROUP"]
DIRECTORY = os.environ["BENCH_DIRECTORY"]
INPUT = "member.events"
OUTPUT = "bench.commands"


def read(value: bytes) -> dict[str, Any] | None:
    """A receipt or a registration; None for the log's own records, which a peer has no use for."""
    schema = SCHEMAS.get(value[:5])
    if schema is None:
        return None
    found: Any = fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)
    event: dict[str, Any] = found
    event["at"] = round(event["occurred_at"].timestamp() * 1000)
    return event


def fresh() -> State:
    """The state of a member of whom nothing is known; `due` is when the journey's next message goes out."""
    return {"count": 0, "total": 0.0, "days": {}, "due": None, "sent": 0, "name": None, "phone": None}


def register(state: State, event: dict[str, Any]) -> None:
    """Keep what a message needs."""
    state["name"], state["phone"] = event["first_name"], event["phone"]


def count(state: State, event: dict[str, Any]) -> None:
    """Count a receipt, and begin the journey anew."""
    total, day, days = float(event["total"]), str(event["at"] // DAY_MS), state["days"]
    state["count"] += 1
    state["total"] += total
    days[day] = days.get(day, 0.0) + total
    oldest = event["at"] // DAY_MS - WINDOW_DAYS + 1
    for each in [each for each in days if int(each) < oldest]:
        del days[each]
    state["due"], state["sent"] = event["at"] + WAIT_MS, 0


def fire(state: State) -> int:
    """The journey's timer is due: go on to the next wait, or end; returns when it was due."""
    due: int = state["due"]
    state["sent"] += 1
    state["due"] = due + WAIT_MS if state["sent"] < MESSAGES else None
    return due


def command(state: State, member: str, due: int) -> bytes:
    """The message of a journey whose timer was due."""
    return json.dumps(
        {
            "dispatch_id": f"{member}-{due}",
            "at": due,
            "member_id": member,
            "campaign": "come-back",
            "channel": "sms",
            "to": state["phone"],
            "text": f"We miss you, {state['name']}: {state['total']:.2f} in {state['count']} purchases",
        }
    ).encode()


def member_of(command: bytes) -> str:
    """Whose it is: its id, which comes first, begins with it."""
    return command.split(b'"', 4)[3].partition(b"-")[0].decode()
