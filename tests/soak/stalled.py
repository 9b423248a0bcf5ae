"""ClickHouse or a gateway that takes connections and never answers: memory stays flat, however much waits in Kafka.

It was asked (a connection came, a request if it is for the client to speak first), and what waits still does.

`python -m pytest -s tests/soak/stalled.py`; takes two minutes, prints what was seen.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event
from urllib.parse import urlsplit

import pytest

from sinks.clickhouse.connect import connect
from streams.settings import Settings
from tests.integration.sinks.flaky import FlakyWay
from tests.integration.sinks.support import codec_of, dispatches, produce, purchases
from tests.stream_support import records_waiting
from tests.support import Command

pytestmark = [pytest.mark.services, pytest.mark.usefixtures("fresh_topics", "fresh_database"), pytest.mark.timeout(600)]
WAITING = 150_000  # records in the topic
SETTLED_S = 30
WATCHED_S = 60
GROWTH_MIB_MAX = 16


class SilentServer:
    """A server that nobody answers for: the system takes the connections and what comes by them."""

    def __init__(self, listening: socket.socket) -> None:
        self.port = listening.getsockname()[1]
        self._listening = listening
        self._open: list[socket.socket] = []

    def asked(self) -> list[bytes]:
        """How what came by each connection began, by all so far."""
        with suppress(BlockingIOError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
        return [self._peek(connection) for connection in self._open]

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    @staticmethod
    def _peek(connection: socket.socket) -> bytes:
        with suppress(OSError):
            return connection.recv(16, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return b""


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(512)
        listening.setblocking(False)
        server = SilentServer(listening)
        yield server
        server.close()


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
    assert command.returncode is None, command.output
    assert max(seen) - seen[0] < GROWTH_MIB_MAX, seen


def test_a_gateway_that_never_answers(
    settings: Settings, process: Callable[..., Command], silent: SilentServer
) -> None:
    produce(settings, codec_of(settings), "send.email", dispatches(WAITING, channel="email", to="anna@example.com"))
    gateway = {"REKINDLE_GATEWAY_EMAIL": "smtp", "REKINDLE_SMTP_PORT": str(silent.port), "REKINDLE_CLOCK": "event"}
    sender = process("sender", "email", env={**gateway, "REKINDLE_INSTANCE": "a"})
    sender.until(silent.asked, 60, "a connection to the gateway")
    stays_flat(sender, "sender")
    assert records_waiting(settings, "sender-email") == WAITING


def test_a_clickhouse_that_never_answers(
    settings: Settings, process: Callable[..., Command], silent: SilentServer
) -> None:
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
    way.forward_to(silent.port)
    produce(settings, codec, "member.events", purchases(WAITING, start=50))
    sink.until(lambda: any(each.startswith(b"POST ") for each in silent.asked()), 60, "a request to ClickHouse")
    stays_flat(sink, "sink")
    assert records_waiting(settings, "sink") >= WAITING
    way.close()
