"""`/metrics`, `/health` and `/ready` of a process, on a thread of their own so that a busy loop cannot starve them.

`/health` says that the process lives and has made the progress it must (an orchestrator restarts it otherwise);
`/ready` that it has its partitions and their state. Both answer 200 or 503 with one line of reason. A worker's first
stage answers `/ready` for the others, too: an orchestrator asks one port of a process group.
"""

import http.client
import logging
import threading
from collections.abc import Callable
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest

from streams.errors import RekindleError
from streams.http_server import HttpServer, RequestHandler
from streams.settings import Settings

Check = Callable[[], str | None]
"""Returns None when all is well, else one sentence why not."""

ANSWER_SECONDS_MAX = 1.0

logger = logging.getLogger(__name__)


def _well() -> str | None:
    return None


def serve_metrics(settings: Settings, *, health: Check = _well, ready: Check = _well) -> int:
    """Serve in the background until the process ends; returns the port. Raises `RekindleError` for a busy port."""

    class Handler(RequestHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name is http.server's
            if self.path.split("?")[0] == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                return
            check = {"/health": health, "/ready": ready}.get(self.path)
            if check is None:
                self._answer(404, "text/plain", b"try /metrics, /health or /ready\n")
                return
            reason = check()
            self._answer(200 if reason is None else 503, "text/plain", f"{reason or 'ok'}\n".encode())

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    try:
        server = HttpServer((settings.metrics_host, settings.metrics_port), Handler)
    except OSError as error:
        raise RekindleError(
            f"metrics cannot be served on {settings.metrics_host}:{settings.metrics_port} ({error.strerror}): "
            "set REKINDLE_METRICS_PORT to a free port, or to 0 for any"
        ) from error
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    port = server.server_address[1]
    logger.info("metrics on http://%s:%d/metrics", settings.metrics_host, port)
    return port


def ask_ready(settings: Settings, port: int) -> str | None:
    """Ask another stage of this worker, by its port, why it isn't ready; None when it is."""
    host = "127.0.0.1" if settings.metrics_host in {"", "0.0.0.0"} else settings.metrics_host  # noqa: S104 - asked only
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        reason = answer.read().decode().strip()
    except (OSError, http.client.HTTPException):
        return f"the stage on port {port} doesn't answer"
    finally:
        connection.close()
    return None if answer.status == HTTPStatus.OK else f"the stage on port {port}: {reason}"
