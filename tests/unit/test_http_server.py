"""Who hangs up, or says nothing, does our web servers no harm."""

import socket
import struct
from http.client import HTTPConnection

import pytest

from streams import http_server
from streams.serve_metrics import serve_metrics
from streams.settings import Settings
from tests.support import until


def test_a_connection_that_asks_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server.RequestHandler, "timeout", 0.1)
    port = serve_metrics(Settings())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as silent:
        assert silent.recv(1) == b""


def test_who_hangs_up_leaves_no_traceback(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    port = serve_metrics(Settings())
    with socket.create_connection(("127.0.0.1", port), timeout=10) as rude:
        rude.sendall(b"GET /metr")
        rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # resets when closed
    until(lambda: "a connection broke off" in caplog.text, 10)
    assert "Traceback" not in capfd.readouterr().err


def test_the_answer_does_not_tell_what_serves_it() -> None:
    connection = HTTPConnection("127.0.0.1", serve_metrics(Settings()), timeout=10)
    connection.request("GET", "/health")
    assert connection.getresponse().headers["Server"].strip() == "rekindle"
    connection.close()
