"""ClickHouse or a gateway that takes connections and never answers: memory stays flat, however much waits in Kafka.

`python -m pytest -s tests/soak/stalled.py`; takes two minutes, prints what was seen.
"""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

from sinks.clickhouse.connect import connect
from streams.settings import Settings
from tests.integration.sinks.flaky import FlakyWay
from tests.integration.sinks.support import codec_of, dispatches, produce, purchases
from tests.support import Command

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database"), pytest.mark.timeout(600)]
WAITING = 150_000  # records in the topic
SETTLED_S = 30
WATCHED_S = 60
GROWTH_MIB_MAX = 16


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that nobody answers for: the system takes the connections."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        yield listening.getsockname()[1]


def memory_mib(command: Command) -> float:
    """Resident memory of the process."""
    status = Path(f"/proc/{command.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def stays_flat(command: Command, name: str) -> None:
    passing = Event()  # never set: what is watched here is time itself
    passing.wait(SETTLED_S)
    seen = []
    for _ in range(WATCHED_S // 5):
        seen.append(memory_mib(command))
        passing.wait(5)
    print(f"{name}: {min(seen):.0f} to {max(seen):.0f} MiB")
    assert max(seen) - seen[0] < GROWTH_MIB_MAX, seen


def test_a_gateway_that_never_answers(settings: Settings, process: Callable[..., Command], silent_port: int) -> None:
    produce(settings, codec_of(settings), "send.email", dispatches(WAITING, channel="email", to="anna@example.com"))
    gateway = {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(silent_port), "REKINDLE_CLOCK": "event"}
    sender = process("sender", "email", env={**gateway, "REKINDLE_INSTANCE": "a"})
    stays_flat(sender, "sender")


def test_a_clickhouse_that_never_answers(settings: Settings, process: Callable[..., Command], silent_port: int) -> None:
    codec = codec_of(settings)
    address = urlsplit(settings.clickhouse_dsn)
    way = FlakyWay(address.port or 0)
    produce(settings, codec, "member.events", purchases(50))
    by_way = {"REKINDLE_CLICKHOUSE_DSN": f"http://127.0.0.1:{way.port}{address.path}", "REKINDLE_INSTANCE": "a"}
    sink = process("sink", env=by_way)
    with connect(settings.clickhouse_dsn) as client:
        sink.until(
            lambda: client.command("EXISTS TABLE events") and client.command("SELECT count() FROM events") == 50,
            60,
            "the first rows",
        )
    way.forward_to(silent_port)
    produce(settings, codec, "member.events", purchases(WAITING, start=50))
    stays_flat(sink, "sink")
    way.close()
