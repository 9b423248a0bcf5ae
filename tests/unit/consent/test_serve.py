"""The web server behind the links: POST makes the event, GET never does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection

import pytest

from streams.consent.serve import make_server
from streams.consent.tokens import Signer, Statement
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.settings import Settings

SECRET = "0123456789abcdef-secret"
NOW = 1_500_000_000_000
UNSUBSCRIBE = Signer([SECRET]).sign(Statement("unsubscribe", "m1", "d1", "email", "marketing", NOW))
CONFIRM = Signer([SECRET]).sign(Statement("confirm", "m1", "d1", "email", "news", NOW))
EXPIRED = Signer([SECRET]).sign(Statement("unsubscribe", "m1", "d1", "email", "marketing", NOW - 1))


@dataclass
class Site:
    port: int
    published: list[Event] = field(default_factory=list)
    down: bool = False
    refused: str = ""

    def publish(self, event: Event) -> None:
        if self.down or event.type == self.refused:
            raise RekindleError("Kafka is down")
        self.published.append(event)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, body, headers or {})
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def served() -> Iterator[Site]:
    site = Site(0)
    server = make_server(Settings(links_port=0, links_secret=SECRET), site.publish, lambda: NOW)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_one_click_makes_the_statements_events():
    with served() as site:
        assert site.ask("GET", f"/u/{UNSUBSCRIBE}") == 200
        assert site.published == []
        assert site.ask("POST", f"/u/{UNSUBSCRIBE}", b"List-Unsubscribe=One-Click") == 200
        assert site.ask("POST", f"/c/{CONFIRM}") == 200
    assert [(event.type, event.occurred_at) for event in site.published] == [
        ("member_unsubscribed", NOW),
        ("subscription_changed", NOW),
        ("subscription_changed", NOW),
    ]
    assert [event.body.get("subscribed") for event in site.published] == [None, False, True]


def test_a_query_behind_the_address_changes_nothing():
    with served() as site:
        assert site.ask("GET", f"/u/{UNSUBSCRIBE}?utm_source=mail") == 200
        assert site.ask("POST", f"/c/{CONFIRM}?utm_source=mail") == 200
    assert [event.type for event in site.published] == ["subscription_changed"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/u/{EXPIRED}", 410),
        (f"/u/{UNSUBSCRIBE[:-3]}", 404),
        (f"/c/{UNSUBSCRIBE}", 404),
        ("/u/", 404),
        ("/", 404),
        ("/u/" + "x" * 10_000, 404),
        ("/%00/%ff", 404),
    ],
)
def test_any_other_address_makes_none(path, status):
    with served() as site:
        assert site.ask("GET", path) == status
        assert site.ask("POST", path) == status
        assert site.ask("POST", path, headers={"Content-Length": "many"}) == status
    assert site.published == []


def test_it_says_so_while_the_event_cannot_be_kept():
    with served() as site:
        site.down = True
        assert site.ask("POST", f"/u/{UNSUBSCRIBE}") == 503
        site.down = False
        site.refused = "subscription_changed"
        assert site.ask("POST", f"/u/{UNSUBSCRIBE}") == 503
        site.refused = ""
        assert site.ask("POST", f"/u/{UNSUBSCRIBE}") == 200
    first, again, of_type = site.published
    assert first.event_id == again.event_id != of_type.event_id


def test_it_does_not_start_without_a_secret():
    with pytest.raises(RekindleError, match="LINKS_SECRET"):
        make_server(Settings(links_port=0), lambda _: None)


def test_a_length_of_thousands_of_digits_is_a_length() -> None:
    with served() as site:
        assert site.ask("POST", f"/u/{UNSUBSCRIBE}", b"x" * 5_000, {"Content-Length": "9" * 5_000}) == 200
        assert len(site.published) == 2
