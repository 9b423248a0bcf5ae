"""The web server behind the links: a token in, an event into its source topic out.

A statement is made by POST alone: mail scanners and previews follow links by GET, which shows a page with one button.
A mail program's one click is a POST as well (RFC 8058). The answer is 200 only when Kafka has its events for good; 404
is no link of ours, 410 one that has expired, 503 that Kafka doesn't take it: then it can be tried again.
"""

import html
import logging
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, Producer

from schemas.catalogue import EVENT_TYPES
from schemas.codec import Codec
from schemas.registry import Registry
from streams import metrics
from streams.clock import wall_clock
from streams.consent.links import PATHS, signer_of
from streams.consent.tokens import Signer, TokenError, events_of
from streams.engine.events import Event
from streams.errors import RekindleError
from streams.http_server import HttpServer, RequestHandler
from streams.kafka import producer_config
from streams.settings import Settings

BODY_BYTES_MAX = 4_096
ACKNOWLEDGED_S = 10.0
_ASKED = {PATHS["unsubscribe"]: "No more messages of this kind?", PATHS["confirm"]: "Confirm your subscription?"}
_DONE = {
    PATHS["unsubscribe"]: "You will get no more of these messages.",
    PATHS["confirm"]: "Your subscription is confirmed.",
}

log = logging.getLogger(__name__)


def publisher(settings: Settings) -> Callable[[Event], None]:
    """A function that puts an event into its source topic; it raises `RekindleError` unless Kafka has it for good."""
    codec = Codec(Registry.from_settings(settings))
    producer = Producer({**producer_config(settings), "linger.ms": 0, "message.timeout.ms": int(ACKNOWLEDGED_S * 1000)})

    def publish(event: Event) -> None:
        topic = EVENT_TYPES[event.type].topic
        assert topic is not None
        outcomes: list[Any] = []
        try:
            producer.produce(
                topic,
                codec.encode(event),
                event.key.encode(),
                timestamp=event.occurred_at,
                on_delivery=lambda error, _message: outcomes.append(error),
            )
        except (KafkaException, BufferError) as error:
            raise RekindleError("Kafka takes no event now") from error
        producer.flush(ACKNOWLEDGED_S + 1)
        if outcomes != [None]:
            raise RekindleError("Kafka took no event in time")

    return publish


def make_server(
    settings: Settings, publish: Callable[[Event], None], now: Callable[[], int] = wall_clock
) -> HttpServer:
    """The server, not running yet. Raises `RekindleError` for a busy port or without a secret."""
    signer = signer_of(settings)

    class Handler(_Handler):
        pass

    Handler.signer, Handler.publish, Handler.now = signer, staticmethod(publish), staticmethod(now)
    try:
        return HttpServer((settings.links_host, settings.links_port), Handler)
    except OSError as error:
        raise RekindleError(
            f"links cannot be served on {settings.links_host}:{settings.links_port} ({error.strerror})"
        ) from error


class _Handler(RequestHandler):
    signer: Signer
    publish: Callable[[Event], None]
    now: Callable[[], int]

    def do_GET(self) -> None:  # noqa: N802 - the name is http.server's
        found = self._token()
        if found is None:
            return
        kind, _ = found
        form = f'<form method="post"><p>{_ASKED[kind]}</p><button>Yes</button></form>'
        self._answer(200, form)

    def do_POST(self) -> None:  # noqa: N802 - the name is http.server's
        found = self._token()
        if found is None:
            return
        kind, token = found
        length = self.headers.get("Content-Length", "0")
        self.rfile.read(min(int(length[:9]), BODY_BYTES_MAX) if length.isdecimal() else 0)
        now = self.now()
        try:
            for event in events_of(self.signer.read(token, now), now):
                self.publish(event)
        except TokenError as error:
            self._refuse(error)
        except RekindleError as error:
            log.warning("a statement was not taken: %s", error)
            self._answer(503, "<p>Please try again in a moment.</p>")
        else:
            self._answer(200, f"<p>{_DONE[kind]}</p>")

    def _token(self) -> tuple[str, str] | None:
        """Kind and token of the address, if the token is good; else it is answered."""
        kind, _, token = self.path.partition("?")[0].lstrip("/").partition("/")
        try:
            statement = self.signer.read(token, self.now())
        except TokenError as error:
            self._refuse(error)
            return None
        if kind != PATHS[statement.purpose]:
            self._refuse(TokenError("that is no link of ours"))
            return None
        return kind, token

    def _refuse(self, error: TokenError) -> None:
        self._answer(410 if error.expired else 404, f"<p>{html.escape(str(error))}</p>")

    def _answer(self, status: int, body: str) -> None:
        metrics.link_answers.labels(str(status)).inc()
        page = f"<!doctype html><meta charset=utf-8><meta name=robots content=noindex>{body}".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Log nothing: addresses hold tokens."""
