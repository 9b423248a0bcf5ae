"""What the client makes of a registry's answers: no such id, for now; away, so ask again; anything else is an error.

The registry here is an HTTP server that says what it is told to, as registries and the proxies before them do.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from schemas.codec import BadRecord, Codec
from schemas.registry import PATIENCE_SECONDS, UNKNOWN_SECONDS, Registry, UnknownSchemaError
from streams.errors import RekindleError

SCHEMA = {"type": "record", "name": "A", "fields": []}
FOUND = (200, json.dumps({"schema": json.dumps(SCHEMA)}))
UNKNOWN = (404, '{"error_code": 40403, "message": "Schema 7 not found."}')
NOWHERE = (404, "<html>nothing here</html>")
BUSY = (503, "")
BROKEN = (500, '{"error_code": 50001, "message": "the store is away"}')
STRANGER = (401, "")
HANGS_UP = (0, "")
STARTING = (200, '{"status": "starting"}')
LIST = (200, "[]")
NO_TEXT = (200, '{"schema": 7}')
CUT_OFF = (0, 'HTTP/1.0 200 OK\r\nContent-Length: 100\r\n\r\n{"schema"')
CUT_OFF_ERROR = (0, "HTTP/1.0 404 Not Found\r\nContent-Length: 100\r\n\r\n{")
NO_HTTP = (0, "220 mail.example.org\r\n\r\n")


class Answering(HTTPServer):
    """Gives one answer after the other, the last one for ever: status and text, or with status 0 all that it says."""

    answers: list[tuple[int, str]]
    asked = 0
    credentials: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        server = self.server
        server.credentials.append(self.headers["Authorization"])
        status, text = server.answers[min(server.asked, len(server.answers) - 1)]
        server.asked += 1
        if status == 0:
            self.wfile.write(text.encode())
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Time:
    """Goes on only while somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(scope="module")
def listening() -> Iterator[Answering]:
    with Answering(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(listening: Answering) -> Answering:
    listening.asked, listening.credentials = 0, []
    return listening


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def registry(server: Answering, clock: Time) -> Registry:
    return Registry(f"http://127.0.0.1:{server.server_port}", monotonic=lambda: clock.now, sleep=clock.sleep)


def test_a_known_id_is_asked_for_once(registry: Registry, server: Answering) -> None:
    server.answers = [FOUND, BUSY]
    assert [registry.schema(7) for _ in range(3)] == [SCHEMA] * 3
    assert server.asked == 1


def test_one_that_hangs_up_is_called_again_at_once(registry: Registry, server: Answering, clock: Time) -> None:
    server.answers = [HANGS_UP, FOUND]
    assert registry.schema(7) == SCHEMA
    assert (server.asked, clock.now) == (2, 0)


def test_an_id_that_is_not_known_may_be_given_on_later(registry: Registry, server: Answering, clock: Time) -> None:
    server.answers = [UNKNOWN, UNKNOWN, FOUND]
    for again in range(2):
        for _ in range(3):
            with pytest.raises(UnknownSchemaError, match="schema id 7 is unknown to the registry"):
                registry.schema(7)
        assert server.asked == again + 1, "a flood of such records doesn't become one of questions"
        clock.now += UNKNOWN_SECONDS
    assert registry.schema(7) == SCHEMA


@pytest.mark.parametrize("away", [BUSY, BROKEN, NOWHERE, STARTING, LIST, NO_TEXT, CUT_OFF, CUT_OFF_ERROR, NO_HTTP])
def test_a_registry_that_is_away_is_waited_for(
    registry: Registry, server: Answering, clock: Time, away: tuple[int, str]
) -> None:
    server.answers = [away, away, FOUND]
    assert registry.schema(7) == SCHEMA
    assert 0 < clock.now < 5


@pytest.mark.parametrize("away", [BUSY, BROKEN, NOWHERE, STARTING])
def test_one_that_stays_away_is_an_error_and_no_verdict_on_the_record(
    registry: Registry, server: Answering, clock: Time, away: tuple[int, str]
) -> None:
    codec = Codec(registry)
    value = b"\0\0\0\0\x07"
    server.answers = [away]
    with pytest.raises(RekindleError, match=f"answers /schemas/ids/7 with {away[0]}") as caught:
        codec.decode_headers([value])
    assert not isinstance(caught.value, UnknownSchemaError)
    assert PATIENCE_SECONDS <= clock.now < PATIENCE_SECONDS + 5
    server.answers = [UNKNOWN]
    (bad,) = codec.decode_headers([value])
    assert isinstance(bad, BadRecord)
    assert bad.reason == "schema id 7 is unknown to the registry"


def test_nobody_at_the_address_is_waited_for_too(clock: Time) -> None:
    alone = Registry("http://127.0.0.1:9", monotonic=lambda: clock.now, sleep=clock.sleep)
    with pytest.raises(RekindleError, match="doesn't answer"):
        alone.schema(7)
    assert clock.now >= PATIENCE_SECONDS


def test_a_refusal_is_told_at_once(registry: Registry, server: Answering, clock: Time) -> None:
    server.answers = [STRANGER]
    with pytest.raises(RekindleError, match="REKINDLE_SCHEMA_REGISTRY_USERNAME"):
        registry.schema(7)
    assert clock.now == 0


def test_what_is_no_avro_is_a_verdict_on_the_record(registry: Registry, server: Answering, clock: Time) -> None:
    server.answers = [(200, json.dumps({"schema": 'syntax = "proto3";', "schemaType": "PROTOBUF"}))]
    with pytest.raises(UnknownSchemaError, match="schema id 7 is no Avro schema"):
        registry.schema(7)
    assert clock.now == 0


def test_the_password_goes_to_the_registry_alone_wherever_an_answer_leads(server: Answering) -> None:
    address = f"http://127.0.0.1:{server.server_port}"
    server.answers = [(0, f"HTTP/1.0 302 Found\r\nLocation: {address}/elsewhere\r\nContent-Length: 0\r\n\r\n"), FOUND]
    Registry(address, username="pipeline", password="hunter2").schema(7)
    assert server.credentials == ["Basic cGlwZWxpbmU6aHVudGVyMg==", None]
